"""Layers with torch's constructor and torch's call: torch.nn.RNN, GRU, LSTM and whatever claims to replace them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnncheck.config import Config, Mode
from rnncheck.subject import FEATURES, Claim, Malformed, Subject


@dataclass
class ModuleLayer:
    """A module that is called like torch's, behind the door of rnncheck.subject.Layer.

    ``names`` maps torch's parameter names to the module's own; None if they could not be matched.
    """

    module: nn.Module
    has_cell: bool
    names: Mapping[str, str] | None

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        result = self.module(input) if hx is None else self.module(input, hx if self.has_cell else hx[0])
        return split_result(result)

    def parameters(self) -> dict[str, Tensor]:
        own = dict(self.module.named_parameters())
        return own if self.names is None else {name: own[mine] for name, mine in self.names.items()}

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        if self.names is None:
            return
        with torch.no_grad():
            for name, live in self.parameters().items():
                live.copy_(parameters[name])

    def train(self, mode: bool) -> None:
        self.module.train(mode)


def split_result(result: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """torch's (output, state) with the state always a tuple; raises Malformed on anything else."""
    if not isinstance(result, tuple) or isinstance(result, PackedSequence) or len(result) != 2:
        raise Malformed(f"a {type(result).__name__} returned, but should be (output, state)")
    output, state = result
    return output, tuple(state) if isinstance(state, tuple | list) else (state,)


def torch_arguments(config: Config) -> dict[str, Any]:
    """The keyword arguments of torch's constructor that say this configuration; defaults are left out."""
    arguments = config.arguments()
    if config.mode == "RNN_RELU":
        arguments["nonlinearity"] = "relu"
    return arguments


def torch_like(constructor: Callable[..., nn.Module], modes: tuple[Mode, ...], name: str, *,
               without: tuple[str, ...] = (), source: str | None = None) -> Subject:
    """A subject that claims all that torch.nn's layer of these modes offers, except the features ``without``."""

    def build(config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        module = constructor(config.input_size, config.hidden_size, **torch_arguments(config), dtype=dtype, device=device)
        return ModuleLayer(module, config.has_cell, {name: name for name in config.parameter_shapes()})

    absent = {"reset_before", "lengths", *without} | ({"proj"} if "LSTM" not in modes else set())
    claims = {feature: Claim(feature not in absent, "declared") for feature in FEATURES}
    return Subject(name, "layer", build, modes, claims, source=source)


def torch_nn(mode: Mode, **options: Any) -> Subject:
    """torch.nn's own layer of this mode."""
    name = "RNN" if mode.startswith("RNN") else mode
    modes: tuple[Mode, ...] = ("RNN_TANH", "RNN_RELU") if name == "RNN" else (mode,)
    source = f"import torch\nbuild = torch.nn.{name}"
    return torch_like(getattr(nn, name), modes, f"torch.nn.{name}", source=source, **options)
