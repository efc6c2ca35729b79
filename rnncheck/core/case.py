"""One situation of one layer: everything needed to build it again, bit for bit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from rnncheck.core.case_size import check_counts, check_numbers, check_seed
from rnncheck.core.config import Config
from rnncheck.core.plain_text import quoted
from rnncheck.core.typed import NotTyped, typed
from rnncheck.core.values import Values

Hx = Literal["none", "zeros", "random"]
Layout = Literal["contiguous", "transposed", "strided", "offset", "expanded"]
Switch = Literal["onednn_off", "cudnn_off", "cudnn_deterministic", "cudnn_benchmark", "tf32"]
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d{1,4})?", re.ASCII)
"""A device as torch names it; whether it is here is another question."""


class CaseError(ValueError):
    """A Case that cannot be; the message says what was expected and what came."""


def check_device(device: str) -> None:
    """Raise CaseError on a device that torch has never heard of."""
    if not DEVICE.fullmatch(device):
        raise CaseError(f"device = {quoted(device)}, but should be one of cpu, cuda, mps, xpu (cuda:1 for the second)")


@dataclass(frozen=True)
class Case:
    """A Config and one situation.

    time:     steps
    batch:    sequences, or None for a single sequence without batch axis
    lengths:  steps of each sequence, for packed input; None for padded input. Packed with enforce_sorted if descending
    hx:       how the initial state is given: not at all, as zeros, or random
    layout:   how input and hx lie in memory
    training: train() with gradients enabled, or eval() under no_grad
    switches: backend switches that are not at their default
    weights, biases, input, state: what those tensors contain; a "normal" weight matrix is divided by sqrt(columns)
    """

    config: Config
    time: int
    batch: int | None = None
    lengths: tuple[int, ...] | None = None
    dtype: str = "float32"
    device: str = "cpu"
    hx: Hx = "none"
    layout: Layout = "contiguous"
    training: bool = False
    switches: tuple[Switch, ...] = ()
    weights: Values = field(default_factory=Values)
    biases: Values = field(default_factory=Values)
    input: Values = field(default_factory=Values)
    state: Values = field(default_factory=Values)
    seed: int = 0

    def __post_init__(self) -> None:
        self._require("time", self.time, self.time >= 0, ">= 0")
        self._require("batch", self.batch, self.batch is None or self.batch >= 0, ">= 0 or None")
        self._require("dtype", self.dtype, self.dtype in DTYPES, f"one of {', '.join(DTYPES)}")
        self._require("hx", self.hx, self.hx in get_args(Hx), f"one of {', '.join(get_args(Hx))}")
        self._require("layout", self.layout, self.layout in get_args(Layout), f"one of {', '.join(get_args(Layout))}")
        unknown = [s for s in self.switches if s not in get_args(Switch)]
        self._require("switches", self.switches, not unknown, f"among {', '.join(get_args(Switch))}")
        if self.lengths is not None:
            fits = len(self.lengths) == self.batch and all(0 <= n <= self.time for n in self.lengths)
            self._require("lengths", self.lengths, fits, f"one for each of batch = {self.batch}, in [0, {self.time}]")

    @staticmethod
    def _require(name: str, value: object, good: object, expected: str) -> None:
        if not good:
            raise CaseError(f"{name} = {quoted(value)}, but should be {expected}")

    @property
    def rows(self) -> int:
        """Sequences, 1 if unbatched: the size of the batch axis in the layout that properties read."""
        return 1 if self.batch is None else self.batch

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of parameters, input and states."""
        return DTYPES[self.dtype]

    @property
    def sorted_lengths(self) -> bool:
        """Whether the lengths are in descending order, as enforce_sorted wants them."""
        return self.lengths is not None and list(self.lengths) == sorted(self.lengths, reverse=True)

    @property
    def dropout_active(self) -> bool:
        """Whether the output is random: dropout between layers, in training."""
        return self.training and self.config.dropout > 0 and self.config.num_layers > 1

    @property
    def numbers(self) -> int:
        """How many numbers it gives to a layer: parameters, input and states."""
        config = self.config
        states = config.num_layers * config.directions * sum(config.state_sizes.values())
        weights = sum(map(prod, config.parameter_shapes().values()))
        return weights + self.rows * (self.time * config.input_size + states)

    def parameters(self) -> dict[str, Tensor]:
        """The layer's parameters under torch's names, rounded to the dtype, on the device."""
        return {name: self._parameter(name, shape) for name, shape in self.config.parameter_shapes().items()}

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Tensor:
        values = self.weights if len(shape) == 2 else self.biases
        fan_in = shape[1] ** -0.5 if len(shape) == 2 and values.pattern == "normal" else 1.0
        return self._round(values.tensor(shape, self.seed, name) * fan_in)

    def input_tensor(self) -> Tensor:
        """(time, rows, input_size), rounded to the dtype, on the device."""
        drawn = self.input.tensor((self.time, self.rows, self.config.input_size), self.seed, "input")
        return self._round(drawn if self.config.named is None else self.config.named.flagged(drawn))

    def initial_state(self) -> tuple[Tensor, ...] | None:
        """(h_0,) or (h_0, c_0), each (layers * directions, rows, its size); None where hx is not given."""
        if self.hx == "none":
            return None
        values, named = self.state if self.hx == "random" else Values("zeros"), self.config.named
        states = self.config.states
        sizes = self.config.state_sizes
        drawn = [values.tensor((states, self.rows, size), self.seed, f"{letter}_0") for letter, size in sizes.items()]
        if named is not None:
            drawn = [named.within_bounds(part) if self.hx == "random" else named.held(part) for part in drawn]
        return tuple(map(self._round, drawn))

    def _round(self, values: Tensor) -> Tensor:
        return values.to(self.torch_dtype).to(self.device)

    def but(self, **changes: Any) -> "Case":
        """The same case with these fields changed; fields of Config are changed inside the Config."""
        inner = {name: value for name, value in changes.items() if name in _CONFIG_ONLY}
        outer = {name: value for name, value in changes.items() if name not in _CONFIG_ONLY}
        changed: dict[str, Any] = {"config": self.config.but(**inner), **outer}
        return replace(self, **changed)

    def to_json(self) -> dict[str, Any]:
        """Every field, by name; JSON types only."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data |= {name: getattr(self, name).to_json() for name in ("config", *_VALUES)}
        return data | {"lengths": None if self.lengths is None else list(self.lengths), "switches": list(self.switches)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Case":
        """The inverse of to_json; raises CaseError on anything that is not a case."""
        try:
            case = typed(data, cls)
            check_device(case.device)
            check_seed(case.seed)
            check_counts({name: getattr(case.config, name) for name in ("input_size", "hidden_size", "num_layers")})
            check_counts({"time": case.time, "batch": case.batch, **dict(case.config.named.sizes if case.config.named else ())})
            check_numbers(case.numbers)
            return case
        except NotTyped as error:
            raise CaseError(f"not a case: {error}") from None

    def __str__(self) -> str:
        words = [str(self.config), f"time {self.time}", "unbatched" if self.batch is None else f"batch {self.batch}"]
        words += [] if self.lengths is None else [f"lengths {list(self.lengths)}"]
        words += [f"hx {self.hx}", *([self.layout] if self.layout != "contiguous" else [])]
        words += [*(["train"] if self.training else []), self.dtype, *([self.device] if self.device != "cpu" else [])]
        words += list(self.switches) + [f"{name} {value}" for name in _VALUES if str(value := getattr(self, name)) != "normal"]
        return ", ".join([*words, f"seed {self.seed}"])


_VALUES = ("weights", "biases", "input", "state")
_CONFIG_ONLY = {f.name for f in fields(Config)}
