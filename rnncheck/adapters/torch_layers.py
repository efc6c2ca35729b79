"""Layers with torch's constructor and torch's call: torch.nn.RNN, GRU, LSTM and whatever claims to replace them."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.probing.kernel_calls import lacking_kernels
from rnncheck.core.case import Case
from rnncheck.core.config import Config, Mode
from rnncheck.core.features import FEATURES
from rnncheck.core.kinds import KINDS, OPTIONS, by_name, kind_of, modes_with
from rnncheck.core.subject import BIT_FOR_BIT, Claim, Malformed, Subject
from rnncheck.older_torch import why_not_compile
from rnncheck.reading.parameters.parameter_names import own_parameters, set_parameter


@dataclass
class ModuleLayer:
    """A module (or any callable object) that is called like torch's, behind the door of rnncheck.subject.Layer.

    takes_tuple: whether the state is a tuple, and not one tensor
    names:       torch's parameter names -> the module's own; None if they could not be matched
    hx_name:     the keyword under which the state is given, None where it is the second argument
    """

    module: Any
    takes_tuple: bool
    names: Mapping[str, str] | None
    hx_name: str | None = None

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        if hx is None:
            return split_result(self.module(input))
        state = hx if self.takes_tuple else hx[0]
        return split_result(self.module(input, **{self.hx_name: state}) if self.hx_name else self.module(input, state))

    def parameters(self) -> dict[str, Tensor]:
        """The live tensors; a parametrized one is computed anew at each call, so it is not among them."""
        shared = self.names is not None  # what two of torch's names stand for is found under both
        own: dict[str, Tensor] = (
            dict(self.module.named_parameters(remove_duplicate=not shared)) if isinstance(self.module, nn.Module) else {}
        )
        return own if self.names is None else {name: own[mine] for name, mine in self.names.items() if mine in own}

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        raw = dict(self.module.named_parameters()) if parameters and isinstance(self.module, nn.Module) else {}
        own = {**raw, **own_parameters(self.module, shared=True)} if parameters else {}
        for name, value in parameters.items():
            mine = name if self.names is None else self.names[name]
            if mine not in own:
                raise Malformed(f"there is no parameter {mine}, but should be one for {name}")
            came, expected = tuple(own[mine].shape), tuple(value.shape)
            if came != expected:
                raise Malformed(f"{mine} has shape {came}, but {name} should have {expected}", came, expected)
            set_parameter(self.module, mine, value)

    def train(self, mode: bool) -> None:
        """As a user would: by train() and by eval(), which a module may have overridden."""
        if hasattr(self.module, "train"):
            self.module.train() if mode else self.module.eval()


def split_result(result: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """torch's (output, state) with the state always a tuple; raises Malformed on anything else."""
    if not isinstance(result, tuple) or isinstance(result, PackedSequence) or len(result) != 2:
        came = f"tuple of {len(result)}" if type(result) is tuple else type(result).__name__
        raise Malformed(f"a {came} returned, but should be (output, state)")
    output, state = result
    return output, tuple(state) if isinstance(state, tuple | list) else (state,)


def torch_arguments(config: Config) -> dict[str, Any]:
    """The keyword arguments of torch's constructor that say this configuration; defaults are left out."""
    return config.arguments() | (dict(config.kind.arguments) if config.named is None else {})


OF_SOME_MODES = {feature: modes_with(option) for option in OPTIONS for feature in option.features}
"""Features that only some modes can have."""
OF_TORCH: Mapping[Any, tuple[Mode, ...]] = {kind.layer: by_name()[kind.name] for kind in KINDS if kind.in_torch}
"""torch's own layers, and the modes of each."""


@dataclass(frozen=True)
class TorchLike:
    """Builds a layer by torch's own constructor; the parameters have torch's names."""

    constructor: Callable[..., Any]

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> ModuleLayer:
        arguments = torch_arguments(config)
        module = self.constructor(config.input_size, config.hidden_size, **arguments, dtype=dtype, device=device)
        return ModuleLayer(module, config.takes_tuple, {name: name for name in config.parameter_shapes()})


def torch_like(
    constructor: Callable[..., Any],
    modes: tuple[Mode, ...],
    name: str,
    *,
    without: tuple[str, ...] = (),
    source: str | None = None,
) -> Subject:
    """A subject that claims all that torch.nn's layer of these modes offers, except the features ``without``."""
    absent = {"reset_before", "lengths", *without, *(name for name, having in OF_SOME_MODES.items() if not {*having} & {*modes})}
    claims = {**{feature: Claim(feature not in absent, "declared") for feature in FEATURES}, **BIT_FOR_BIT}
    if reason := why_not_compile():
        claims["compile"] = Claim(False, "probed", reason)
    base = next((kind for kind in getattr(constructor, "__mro__", ()) if kind in OF_TORCH), None)
    if base is not None:
        claims |= _lacking(base)
    return Subject(name, "layer", TorchLike(constructor), modes, claims, source=source, drop_in=True)


@cache
def _lacking(of: type[nn.RNNBase]) -> Mapping[str, Claim]:
    """Return the claims that torch's own kernels do not bear out on this processor, for a layer of torch's and its subclasses."""
    mode = OF_TORCH[of][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lacking_kernels(Subject(of.__name__, "layer", TorchLike(of), (mode,)), Case(Config(mode, 2, 3), 2, 2))


def torch_nn(mode: Mode, **options: Any) -> Subject:
    """torch.nn's own layer of this mode."""
    name = kind_of(mode).name
    source = f"import torch\nbuild = torch.nn.{name}"
    return torch_like(getattr(nn, name), by_name()[name], f"torch.nn.{name}", source=source, **options)
