"""ONNX Runtime's own RNN, GRU and LSTM operators as subjects: ``rnncheck verify rnncheck.adapters.onnx:LSTM``.

A model of one operator a layer is made for each configuration; the parameters go in as inputs, in ONNX's order of gates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnncheck.core.config import Config, Mode
from rnncheck.core.features import FEATURES
from rnncheck.core.kinds import RESET_AFTER, kind_of
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError

try:
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as missing:
    raise UsageError(f"{missing.name} is not installed, but this subject needs it: pip install onnx onnxruntime") from None

GATES: Mapping[Mode, str] = {"RNN_TANH": "h", "RNN_RELU": "h", "GRU": "zrn", "LSTM": "iofg"}
"""ONNX's order of the gates, in torch's letters."""
OPERATORS: Mapping[Mode, str] = {"RNN_TANH": "RNN", "RNN_RELU": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
OFFERED = ("equations", "load", "layers", "bidirectional", "bias_off", "hx", "hx_none", "state", "layer_axis", "time_first",
           "batched", "packed", "float32")  # fmt: skip


@lru_cache(maxsize=64)
def session(config: Config, given: bool, packed: bool) -> Any:
    """A session that runs this configuration, with initial states or without, with lengths or without."""
    nodes, values = [], {"x": TensorProto.FLOAT, **({"lengths": TensorProto.INT32} if packed else {})}
    x, states = "x", config.kind.letters
    for k in range(config.num_layers):
        fed = [f"w{k}", f"r{k}", *([f"b{k}"] if config.bias else []), *(f"{s}{k}" for s in states if given)]
        values |= dict.fromkeys(fed, TensorProto.FLOAT)
        inputs = [x, f"w{k}", f"r{k}", f"b{k}" if config.bias else "", "lengths" if packed else ""]
        inputs += [f"{s}{k}" if given else "" for s in states]
        nodes.append(helper.make_node(OPERATORS[config.mode], inputs, [f"y{k}", *(f"{s}_n{k}" for s in states)],
                                      hidden_size=config.hidden_size, **_attributes(config)))  # fmt: skip
        nodes.append(helper.make_node("Transpose", [f"y{k}"], [f"t{k}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"t{k}", "shape"], [x := f"x{k + 1}"], allowzero=0))
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [0, 0, config.output_size])
    results = [x, *(f"{s}_n{k}" for s in states for k in range(config.num_layers))]
    graph = helper.make_graph(nodes, "layers", [helper.make_tensor_value_info(n, t, None) for n, t in values.items()],
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results], [shape])  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised as well
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _attributes(config: Config) -> dict[str, Any]:
    said: dict[str, Any] = {"direction": "bidirectional" if config.bidirectional else "forward"}
    if config.kind.has(RESET_AFTER):
        said["linear_before_reset"] = int(config.reset_after)
    if config.kind.rectifies:
        said["activations"] = ["Relu"] * config.directions
    return said


@dataclass
class OnnxLayer:
    """A session behind the door of rnncheck.subject.Layer; keeps its parameters as torch names and lays them out."""

    config: Config
    tensors: dict[str, Tensor]
    module: Any = None

    def parameters(self) -> dict[str, Tensor]:
        return self.tensors

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        for name, value in parameters.items():
            self.tensors[name].copy_(value)

    def train(self, mode: bool) -> None:
        """There is nothing to train."""

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        if isinstance(input, PackedSequence):
            x, lengths = pad_packed_sequence(input)
            output, state = self.run(x, hx, lengths)
            return pack_padded_sequence(output, lengths, enforce_sorted=input.sorted_indices is None), state
        return self.run(input, hx, None)

    def run(self, x: Tensor, hx: tuple[Tensor, ...] | None, lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(time, batch, input) and states as torch has them, through ONNX Runtime."""
        fed = {"x": x, **self.weights()}
        if lengths is not None:
            fed["lengths"] = lengths.to(torch.int32)
        for name, state in zip(self.config.kind.letters, hx or (), strict=False):
            fed |= {f"{name}{k}": part for k, part in enumerate(state.chunk(self.config.num_layers))}
        running = session(self.config, hx is not None, lengths is not None)
        found = running.run(None, {name: value.detach().contiguous().numpy() for name, value in fed.items()})
        output, *finals = (torch.from_numpy(value) for value in found)
        layers = self.config.num_layers
        return output, tuple(torch.cat(finals[k : k + layers]) for k in range(0, len(finals), layers))

    def weights(self) -> dict[str, Tensor]:
        """w, r and b of each layer, its directions stacked, in ONNX's order of gates."""
        both = ("", "_reverse")[: self.config.directions]
        laid: dict[str, Tensor] = {}
        for k in range(self.config.num_layers):
            laid[f"w{k}"] = torch.stack([self._ordered(f"weight_ih_l{k}{d}") for d in both])
            laid[f"r{k}"] = torch.stack([self._ordered(f"weight_hh_l{k}{d}") for d in both])
            if self.config.bias:
                pairs = [[self._ordered(f"bias_{side}_l{k}{d}") for side in ("ih", "hh")] for d in both]
                laid[f"b{k}"] = torch.stack([torch.cat(pair) for pair in pairs])
        return laid

    def _ordered(self, name: str) -> Tensor:
        blocks = dict(zip(self.config.gates, self.tensors[name].chunk(len(self.config.gates)), strict=True))
        return torch.cat([blocks[gate] for gate in GATES[self.config.mode]])


def build(config: Config, dtype: torch.dtype, device: torch.device) -> OnnxLayer:
    """A layer with zero parameters."""
    shapes = config.parameter_shapes()
    return OnnxLayer(config, {name: torch.zeros(shape, dtype=dtype, device=device) for name, shape in shapes.items()})


def subject(*modes: Mode) -> Subject:
    """ONNX Runtime's operator of these modes."""
    offered = {*OFFERED, *(RESET_AFTER.features if any(kind_of(mode).has(RESET_AFTER) for mode in modes) else ())}
    no = Claim(False, "declared", "no part of the operator")
    claims = {name: Claim(True, "declared") if name in offered else no for name in FEATURES}
    return Subject(f"onnxruntime {OPERATORS[modes[0]]}", "layer", build, modes, claims)


RNN, GRU, LSTM = subject("RNN_TANH", "RNN_RELU"), subject("GRU"), subject("LSTM")
