"""What layer: the constructor of a recurrent layer, in torch's words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from rnncheck.core.kinds import MODES, PROJECTION, RESET_AFTER, Kind, Mode, kind_of, only_with
from rnncheck.core.named import Named
from rnncheck.core.typed import NotTyped, typed

__all__ = ["MODES", "Config", "ConfigError", "Mode"]


class ConfigError(ValueError):
    """A Config that no recurrent layer can have; the message says what was expected and what came."""


@dataclass(frozen=True)
class Config:
    """The constructor arguments of a recurrent layer; never corrects the user.

    Attributes:
        input_size: features of the input, as ``hidden_size`` of a state and ``proj_size`` of a projection
        dropout: a probability
        reset_after: of a GRU: True applies the reset gate after the recurrent product (torch, cuDNN; Cho et al.,
            arXiv:1406.1078v1), False before it (v3, most textbooks)
        parts: of recurrences with equations of their own: how many states of hidden_size features each layer and direction has
        named: of recurrences read from types: their tensors and axes, from which the two sizes follow

    Examples:
        >>> Config("LSTM", 2, 3, bidirectional=True)
        Config('LSTM', 2, 3, bidirectional=True)
        >>> Config("LSTM", 2, 3, bidirectional=True).output_size
        6
    """

    mode: Mode
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    proj_size: int = 0
    reset_after: bool = True
    parts: int = 1
    named: Named | None = None

    def __post_init__(self) -> None:
        if self.named is not None:
            object.__setattr__(self, "input_size", self.named.input_size)
            object.__setattr__(self, "hidden_size", self.named.state_size)
        if self.mode not in MODES:
            raise ConfigError(f"mode = {self.mode!r}, but should be one of {', '.join(MODES)}")
        for name in ("input_size", "hidden_size", "num_layers"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} = {value!r}, but should be a positive int")
        if not 0.0 <= self.dropout <= 1.0:
            raise ConfigError(f"dropout = {self.dropout!r}, but should be a probability in [0, 1]")
        if self.proj_size and not self.kind.has(PROJECTION):
            raise ConfigError(f"proj_size = {self.proj_size!r}, but {only_with(PROJECTION)}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ConfigError(f"proj_size = {self.proj_size!r}, but should be in [0, hidden_size = {self.hidden_size})")
        if not self.reset_after and not self.kind.has(RESET_AFTER):
            raise ConfigError(f"reset_after = False, but {only_with(RESET_AFTER)}")

    @property
    def kind(self) -> Kind:
        """The equations, and all that is known of them."""
        return kind_of(self.mode, bool(self.reset_after))

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def states(self) -> int:
        """The first axis of a state: layers * directions, times the parts of a recurrence of its own."""
        return self.num_layers * self.directions * self.parts

    @property
    def gates(self) -> str:
        """The gates' letters in torch's row order: ``ifgo``, ``rzn`` or ``h``."""
        return self.kind.gates

    @property
    def takes_tuple(self) -> bool:
        """Whether hx is a tuple of states, and not the only state itself."""
        return len(self.kind.states) > 1

    def as_hx(self, state: tuple[Any, ...]) -> Any:
        """Return a state as torch's layers take it: several as a tuple, the only one by itself."""
        return state if self.takes_tuple else state[0]

    @property
    def state_sizes(self) -> dict[str, int]:
        """Features of each state, by its letter: of h proj_size where there is a projection, else hidden_size."""
        return {s.letter: (s.projected and self.proj_size) or self.hidden_size for s in self.kind.states}

    @property
    def state_size(self) -> int:
        """Features of h: proj_size if there is a projection, else hidden_size."""
        return self.proj_size or self.hidden_size

    @property
    def output_size(self) -> int:
        """Features of the output: directions times state_size, where no types say otherwise."""
        return self.named.output_size if self.named is not None else self.directions * self.state_size

    def layer_input_size(self, layer: int) -> int:
        """Features that enter this layer: input_size for the first, output_size above it."""
        return self.input_size if layer == 0 else self.output_size

    def suffixes(self) -> list[tuple[int, int, str]]:
        """(layer, direction, torch's parameter suffix) in torch's order, which is the order of the states too."""
        return [
            (layer, direction, f"_l{layer}" + ("_reverse" if direction else ""))
            for layer in range(self.num_layers)
            for direction in range(self.directions)
        ]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """torch's parameter names and shapes, in torch's order."""
        rows = len(self.gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, _, suffix in self.suffixes():
            shapes["weight_ih" + suffix] = (rows, self.layer_input_size(layer))
            shapes["weight_hh" + suffix] = (rows, self.state_size)
            if self.bias:
                shapes["bias_ih" + suffix] = shapes["bias_hh" + suffix] = (rows,)
            if self.proj_size:
                shapes["weight_hr" + suffix] = (self.proj_size, self.hidden_size)
        return shapes

    def but(self, **changes: Any) -> "Config":
        """The same configuration with these fields changed."""
        return replace(self, **changes)

    def resized(self, **sizes: int) -> "Config":
        """The same configuration with other sizes of axes that types name."""
        return self if self.named is None else replace(self, named=self.named.but_sizes(**sizes))

    def to_json(self) -> dict[str, Any]:
        """Every field, by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Config":
        """The inverse of to_json; raises ConfigError on an unknown or missing field."""
        try:
            return typed(data, cls)
        except NotTyped as error:
            raise ConfigError(f"not a configuration: {error}") from None

    def arguments(self) -> dict[str, Any]:
        """The fields that differ from their default, beyond mode and the two sizes; of one from types, sizes and options."""
        if self.named is not None:
            return self.named.arguments
        return {f.name: getattr(self, f.name) for f in fields(self)[3:] if getattr(self, f.name) != f.default}

    def __repr__(self) -> str:
        return f"Config({self._call(repr(self.mode) + ', ')})"

    def __str__(self) -> str:
        if self.named is not None:
            return str(self.named)
        beside = "".join(f", {name}={value!r}" for name, value in self.kind.arguments.items())
        return f"{self.kind.name}({self._call('')}{beside})"

    def _call(self, first: str) -> str:
        rest = "".join(f", {name}={value!r}" for name, value in self.arguments().items())
        return f"{first}{self.input_size}, {self.hidden_size}{rest}"
