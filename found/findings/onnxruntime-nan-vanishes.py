import onnxruntime
import torch
from onnx import TensorProto, helper

names = ["x", "w", "r", "b", "", "h", "c"]
zeros = {"x": (1, 1, 1), "w": (1, 4, 1), "r": (1, 4, 1), "b": (1, 8), "h": (1, 1, 1), "c": (1, 1, 1)}
values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in [*zeros, "y"]}
node = helper.make_node("LSTM", names, ["y"], hidden_size=1)
graph = helper.make_graph([node], "one", [values[name] for name in zeros], [values["y"]])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
given = {name: torch.zeros(size).numpy() for name, size in zeros.items()}
given["h"][:] = torch.nan
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
y = session.run(None, given)[0].item()
assert y != y, f"a NaN in the initial state gives the output {y:.4f}"
