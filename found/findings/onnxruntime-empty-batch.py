import onnxruntime
import torch
from onnx import TensorProto, helper

sizes = {"x": (1, 0, 1), "w": (1, 3, 1), "r": (1, 3, 1)}  # one step of no sequence
values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in [*sizes, "y"]}
node = helper.make_node("GRU", list(sizes), ["y"], hidden_size=1)
graph = helper.make_graph([node], "one", [values[name] for name in sizes], [values["y"]])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
session.run(None, {name: torch.zeros(size).numpy() for name, size in sizes.items()})  # ends the process
