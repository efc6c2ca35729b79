"""ONNX Runtime aborts the process on an empty batch. Through ten lines of ours it becomes a subject, and its verdict."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim, Subject
from rnncheck.engine.processes import Processes
from tests.engine.support import IDS, at, judging, results, workshop

ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install onnxruntime")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")


@dataclass
class OnnxGRU:
    """The GRU of ONNX Runtime: one layer, one direction, no biases, r and z swapped."""

    session: ort.InferenceSession
    module = None

    def __call__(self, input, hx):
        output, h_n = self.session.run(None, {"input": input.numpy()})
        return torch.tensor(output)[:, 0], (torch.tensor(h_n),)

    def parameters(self):
        return {}

    def load(self, parameters):
        return None

    def train(self, mode):
        return None


def build(config: Config, dtype: torch.dtype, device: torch.device) -> OnnxGRU:
    make, real = onnx.helper, onnx.TensorProto.FLOAT
    shapes = {"W": (1, 3 * config.hidden_size, config.input_size), "R": (1, 3 * config.hidden_size, config.hidden_size)}
    values = [onnx.numpy_helper.from_array(np.full(shape, 0.5, np.float32), name) for name, shape in shapes.items()]
    node = make.make_node("GRU", ["input", *shapes], ["output", "h_n"], hidden_size=config.hidden_size)
    ends = [make.make_tensor_value_info(name, real, shape)
            for name, shape in (("input", ["time", "batch", config.input_size]), ("output", None), ("h_n", None))]  # fmt: skip
    model = make.make_model(make.make_graph([node], "gru", ends[:1], ends[1:], values),
                            opset_imports=[make.make_opsetid("", 14)], ir_version=8)  # fmt: skip
    return OnnxGRU(ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]))


CLAIMS = ("hx_none", "state", "time_first", "batched", "float32", "bias_off", "reset_before")


def test_an_empty_batch():
    claims = {name: Claim(True, "declared") for name in CLAIMS}
    subject = Subject("onnxruntime GRU", "layer", build, ("GRU",), claims)
    config = Config("GRU", 2, 3, bias=False, reset_after=False)
    cases = [Case(config, 4, batch=batch) for batch in (3, 0, 1)]
    (done,) = results(Processes(workshop(subject), 1), [judging(0, 0, cases, IDS[:2])])
    assert at(done, 0) == dict.fromkeys(IDS[:2], ("holds", None))
    status, reason = at(done, 1)[IDS[0]]
    assert status == "crashed"
    assert "killed by SIGABRT" in reason
    assert "terminate called" in reason
    assert at(done, 2) == {IDS[1]: ("holds", None)}
