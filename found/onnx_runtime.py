"""ONNX Runtime's operators, and torch's layers exported to ONNX and run there."""

PACKAGE = "onnxruntime"
OPERATORS = {
    f"operator {name}": {"target": f"rnncheck.adapters.onnx:{name}", "engine": "processes"} for name in ("RNN", "GRU", "LSTM")
}
EXPORTS = {
    f"torch.nn.{name}, exported": {"target": f"torch.nn.{name}", "properties": "agree.onnx", "budget": 120}
    for name in ("GRU", "LSTM")
}
JUDGED = {**OPERATORS, **EXPORTS}
