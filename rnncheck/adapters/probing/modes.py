"""Which of torch's modes a class, a module or a name speaks of."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from rnncheck.adapters.probing.declared_claims import OTHER
from rnncheck.core.config import MODES, Config, Mode
from rnncheck.core.kinds import KINDS, PROJECTION, by_name, kind_of
from rnncheck.errors import UsageError
from rnncheck.reading.parameters.parameter_names import match, misfit

ELMAN = by_name()["RNN"]
TORCH = {torchs: by_name()[kind.name] for kind in KINDS if kind.in_torch for torchs in (kind.layer, kind.cell)}
NAMES = {name: by_name()[kind.name] for kind in reversed(KINDS) for name in kind.names}


def declared_modes(target: Any) -> tuple[Mode, ...]:
    """What is certain: ``rnncheck_mode = "GRU"`` on it, a torch layer above it, or its own ``mode``; else ().

    Of another recurrence (``rnncheck_mode = "other"``) only a call can tell how many states it has.
    """
    said = getattr(target, "rnncheck_mode", None)
    if said == OTHER:
        return ()
    if said is not None:
        return _known((said,) if isinstance(said, str) else tuple(said), target)
    kind = target if isinstance(target, type) else type(target)
    for torch_kind, modes in TORCH.items():
        if issubclass(kind, torch_kind):
            return modes if isinstance(target, type) else (one_of(modes, lambda name: getattr(target, name, None)),)
    mode = getattr(target, "mode", None)
    return (mode,) if isinstance(mode, str) and mode in MODES else ()


def one_of(modes: tuple[Mode, ...], told: Callable[[str], Any]) -> Mode:
    """Return the mode, of those of one of torch's classes, that the attributes of an instance say; else torch's default."""

    def says(mode: Mode) -> bool:
        arguments = kind_of(mode).arguments
        return bool(arguments) and all(told(name) == value for name, value in arguments.items())

    return next(filter(says, modes), modes[0])


def _known(modes: tuple[str, ...], target: Any) -> tuple[Mode, ...]:
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        raise UsageError(f"rnncheck_mode = {modes!r} on {target!r:.60}, but should be of {', '.join(MODES)}, or {OTHER}")
    return tuple(mode for mode in MODES if mode in modes)


def modes_in(name: str) -> tuple[Mode, ...]:
    """The modes that a name like ``FastLSTM`` speaks of, () if none.

    >>> modes_in("mine.py:FastLSTM")
    ('LSTM',)
    """
    last = name.rpartition(":")[2].rpartition(".")[2].lower()
    return next((modes for word, modes in NAMES.items() if word in last), ())


def modes_by_parameters(own: Mapping[str, Tensor], config: Config) -> tuple[Mode, ...]:
    """The modes whose gates these parameters make up in this configuration; () if none, or if it cannot be told.

    Each gate has a matrix for the input, one for the state, and 0, 1 or 2 biases.
    """
    count = sum(parameter.numel() for parameter in own.values())
    for modes in reversed(by_name().values()):
        shapes = config.but(mode=modes[0], bias=True).parameter_shapes()
        weights, two_biases = (sum(math.prod(shape) for shape in shapes.values() if len(shape) == axes) for axes in (2, 1))
        if count in (weights, weights + two_biases // 2, weights + two_biases):
            return modes
    return ()


def config_by_parameters(own: Mapping[str, Tensor], modes: tuple[Mode, ...] = MODES) -> Config | None:
    """The configuration with exactly these parameters, None if there is none; what leaves no trace is torch's default.

    >>> import torch
    >>> config_by_parameters(dict(torch.nn.GRU(4, 3, bidirectional=True).named_parameters()))
    Config('GRU', 4, 3, bidirectional=True)
    """
    for shape in _candidates(modes, len(own)):
        names = match(own, shape)
        config = names and _sized(own, names, shape)
        if names and config and misfit(own, names, config) is None:
            return config
    return None


def _candidates(modes: tuple[Mode, ...], count: int) -> list[Config]:
    """Every arrangement of as many parameters, with sizes that mean nothing yet."""
    arrangements = [
        Config(mode, 2, 2, num_layers=layers, bias=bias, bidirectional=both, proj_size=proj)
        for mode in sorted(modes, key=lambda mode: kind_of(mode).rectifies) for layers in range(1, count // 2 + 1)
        for bias in (True, False) for both in (False, True) for proj in ((0, 1) if kind_of(mode).has(PROJECTION) else (0,))
    ]  # fmt: skip
    return [config for config in arrangements if len(config.parameter_shapes()) == count]


def _sized(own: Mapping[str, Tensor], names: Mapping[str, str], shape: Config) -> Config | None:
    weight_ih, weight_hh = own[names["weight_ih_l0"]], own[names["weight_hh_l0"]]
    hidden = weight_ih.shape[0] // len(shape.gates) if weight_ih.dim() == 2 else 0
    proj = weight_hh.shape[-1] if shape.proj_size and weight_hh.dim() == 2 else 0
    return shape.but(input_size=weight_ih.shape[1], hidden_size=hidden, proj_size=proj) if hidden > proj else None
