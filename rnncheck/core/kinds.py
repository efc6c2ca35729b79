"""The kinds of recurrent layer, a row for each set of equations: all that is known of a kind, except the equations themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor, nn

Mode = Literal["RNN_TANH", "RNN_RELU", "GRU", "LSTM"]
MODES: tuple[Mode, ...] = get_args(Mode)
NOTHING: Mapping[str, Any] = MappingProxyType({})

Bound = Callable[["Tensor", int], "Tensor"]
"""From the absolute values of the first state and the number of steps to the largest absolute values afterwards."""


def _one(start: "Tensor", steps: int) -> "Tensor":
    return start.new_ones(start.shape)


def _one_or_start(start: "Tensor", steps: int) -> "Tensor":
    return start.clamp(min=1)


def _start_and_steps(start: "Tensor", steps: int) -> "Tensor":
    return start + steps


def _unbounded(start: "Tensor", steps: int) -> "Tensor":
    return start.new_full(start.shape, inf)


@dataclass(frozen=True, eq=False)
class State:
    """A state of a layer.

    letter:    by which it is called: ``h_0`` is its first value, ``h_n`` its last
    bound:     how large it may become
    roundoffs: how far rounding may carry it beyond that, in unit roundoffs, relatively
    adds_up:   whether these roundoffs add up from step to step
    positive:  whether it is never negative
    projected: whether a projection changes its size, and takes the bound away
    """

    letter: str
    bound: Bound
    roundoffs: float = 0
    adds_up: bool = False
    positive: bool = False
    projected: bool = False


@dataclass(frozen=True, eq=False)
class Latch:
    """What a layer does while gates and candidate are saturated.

    words:   what it does
    gates:   letter -> 1 where its pre-activation is very large, -1 where it is very small
    part:    the part of the result in which it shows
    becomes: a number; "kept", as it was at first; or "counted", larger by 1 after each step
    """

    words: str
    gates: Mapping[str, int]
    part: str
    becomes: float | Literal["kept", "counted"]


@dataclass(frozen=True)
class Option:
    """An argument of the constructor that only some kinds have.

    features: of a subject that has it; what: it stands for, in words
    """

    name: str
    features: tuple[str, ...]
    what: str


PROJECTION = Option("proj_size", ("proj",), "a projection")
RESET_AFTER = Option("reset_after", ("reset_after", "reset_before"), "a reset gate")
OPTIONS = (PROJECTION, RESET_AFTER)


@dataclass(frozen=True, eq=False)
class Kind:
    """A set of equations.

    mode:            in torch's words; kinds of one mode differ in their ``settings``
    name:            of torch's class, or the one in the literature
    title:           what a diagnosis says that a layer agrees with
    names:           lower-case words in the name of a class that speak of it
    gates:           letters of the gates and the candidate, a block of hidden_size rows each, in torch's row order
    sigmoids:        letters of the gates in the order in which the oracle has them; the candidate comes after them
    candidate:       its letter
    activation:      of the candidate
    states:          h, and those beside it
    options:         arguments of the constructor that it has and others have not
    settings:        fields of a Config by which it differs from other kinds of its mode
    arguments:       what torch's constructor is given besides the fields of a Config
    in_torch:        whether torch.nn has a layer and a cell of this name
    beside_state:    gates of which bias_hh is not added to bias_ih, but to U h, which is then multiplied
    after_gates:     whether the pre-activation of the candidate needs the gates
    squashes:        whether h is made of the tanh of another state
    blends:          whether the new h is a mean of the old h and a candidate that does not depend on how much of each
    passes_on:       saturated gates (see Latch) with which the new state is the candidate alone
    gain:            how strongly a unit feeds itself to keep its sign, where all gates are one half: h = tanh(2 h), and
                     h = tanh(4 h / 2), c = tanh(8 tanh(c) / 2) are stable on either side of 0; h = relu(h) keeps any h > 0
    latches:         what it does while gates are saturated
    often_exchanged: the gate z that layers often have as 1 - z
    often_shifted:   the gate to whose bias layers often add 1
    """

    mode: Mode
    name: str
    title: str
    names: tuple[str, ...]
    gates: str
    sigmoids: str
    candidate: str
    states: tuple[State, ...]
    gain: float
    activation: Literal["tanh", "relu"] = "tanh"
    options: tuple[Option, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    arguments: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    in_torch: bool = False
    beside_state: str = ""
    after_gates: bool = False
    squashes: bool = False
    blends: bool = False
    passes_on: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    latches: tuple[Latch, ...] = ()
    often_exchanged: str = ""
    often_shifted: str = ""

    @property
    def layer(self) -> "type[nn.RNNBase]":
        """torch's layer; AttributeError where torch has none."""
        return _in_torch(self.name)

    @property
    def cell(self) -> "type[nn.RNNCellBase]":
        """torch's cell; AttributeError where torch has none."""
        return _in_torch(f"{self.name}Cell")

    @property
    def order(self) -> str:
        """The letters of the gates, and of the candidate behind them, as the oracle has them."""
        return self.sigmoids + self.candidate

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the states."""
        return tuple(state.letter for state in self.states)

    @property
    def rectifies(self) -> bool:
        """Whether the candidate is rectified: it has no bound, and no derivative at 0."""
        return self.activation == "relu"

    def has(self, option: Option) -> bool:
        """Return whether its constructor has this argument."""
        return option in self.options


def _gru_latches(new: str) -> tuple[Latch, ...]:
    return (
        Latch("z = 1 keeps h", {"z": 1}, "h_n", "kept"),
        Latch(f"z = 0 writes {new} = 1", {"z": -1, new: 1}, "h_n", 1.0),
        Latch(f"z = 0 writes {new} = -1", {"z": -1, new: -1}, "h_n", -1.0),
    )


RNN_TANH = Kind(
    "RNN_TANH", "RNN", "torch.nn.RNN", ("rnn", "elman"), "h", "", "h", (State("h", _one, roundoffs=2),), gain=2.0,
    in_torch=True,
)  # fmt: skip
RNN_RELU = Kind(
    "RNN_RELU", "RNN", "torch.nn.RNN", ("rnn", "elman"), "h", "", "h", (State("h", _unbounded, positive=True),), gain=1.0,
    activation="relu", arguments={"nonlinearity": "relu"}, in_torch=True,
)  # fmt: skip
GRU = Kind(
    "GRU", "GRU", "torch.nn.GRU", ("gru",), "rzn", "rz", "n", (State("h", _one_or_start, roundoffs=8, adds_up=True),), gain=4.0,
    options=(RESET_AFTER,), settings={"reset_after": True}, in_torch=True, beside_state="n", after_gates=True,
    blends=True, passes_on={"z": -1}, latches=_gru_latches("n"), often_exchanged="z",
)  # fmt: skip
GRU_RESET_BEFORE = Kind(
    "GRU", "GRU", "the GRU that resets before the product", ("gru",), "rzn", "rz", "n", GRU.states, gain=4.0,
    options=(RESET_AFTER,), settings={"reset_after": False}, after_gates=True,
    blends=True, passes_on={"z": -1}, latches=GRU.latches, often_exchanged="z",
)  # fmt: skip
LSTM = Kind(
    "LSTM", "LSTM", "torch.nn.LSTM", ("lstm",), "ifgo", "ifo", "g",
    (State("h", _one, roundoffs=4, projected=True), State("c", _start_and_steps, roundoffs=4, adds_up=True)), gain=8.0,
    options=(PROJECTION,), in_torch=True, squashes=True, passes_on={"i": 1, "f": -1, "o": 1},
    latches=(
        Latch("f = 1, i = 0 keeps c", {"f": 1, "i": -1}, "c_n", "kept"),
        Latch("f = 1, i = 1 counts", {"f": 1, "i": 1, "g": 1}, "c_n", "counted"),
        Latch("f = 0, i = 1 writes g = 1", {"f": -1, "i": 1, "g": 1}, "c_n", 1.0),
        Latch("f = 0, i = 0 blocks", {"f": -1, "i": -1}, "c_n", 0.0),
        Latch("o = 0 silences", {"o": -1}, "output", 0.0),
    ),
    often_shifted="f",
)  # fmt: skip

KINDS = (RNN_TANH, RNN_RELU, GRU, GRU_RESET_BEFORE, LSTM)
"""All of them, in the order of MODES."""


@cache
def kind_of(mode: Mode, reset_after: bool = True) -> Kind:
    """Return the kind of this mode that has this setting, where the kinds of the mode differ in it.

    >>> kind_of("GRU", reset_after=False).title
    'the GRU that resets before the product'
    """
    return next(kind for kind in kinds_of(mode) if kind.settings.get("reset_after", reset_after) == reset_after)


def _in_torch(name: str) -> Any:
    from torch import nn

    return getattr(nn, name)


def kinds_of(mode: Mode) -> tuple[Kind, ...]:
    """Return the kinds of a mode, torch's first."""
    return tuple(kind for kind in KINDS if kind.mode == mode)


def modes_with(option: Option) -> tuple[Mode, ...]:
    """Return the modes whose constructor has this argument."""
    return tuple(dict.fromkeys(kind.mode for kind in KINDS if kind.has(option)))


def only_with(option: Option) -> str:
    """Return why the others have not got it.

    >>> only_with(PROJECTION)
    'only an LSTM has a projection'
    """
    return f"only {' or '.join(map(with_article, modes_with(option)))} has {option.what}"


def with_article(mode: str) -> str:
    """Return a mode with its article, as it is spoken letter by letter.

    >>> with_article("LSTM"), with_article("GRU")
    ('an LSTM', 'a GRU')
    """
    return f"{'an' if mode[0] in 'AEFHILMNORSX' else 'a'} {mode}"


def by_name() -> dict[str, tuple[Mode, ...]]:
    """Return the modes that go by each name.

    >>> by_name()["RNN"]
    ('RNN_TANH', 'RNN_RELU')
    """
    names = dict.fromkeys(kind.name for kind in KINDS)
    return {name: tuple(dict.fromkeys(kind.mode for kind in KINDS if kind.name == name)) for name in names}


def names_where(holds: Callable[[Kind], bool]) -> str:
    """Return the names of the kinds of which this holds, the one with the most gates first.

    >>> names_where(lambda kind: bool(kind.sigmoids))
    'LSTM or GRU'
    """
    kinds = sorted(filter(holds, KINDS), key=lambda kind: len(kind.gates), reverse=True)
    return " or ".join(dict.fromkeys(kind.name for kind in kinds))


def modes_by_states(count: int | None) -> tuple[Mode, ...]:
    """Return the modes with this number of states, or with any for None; those with the most gates first.

    >>> modes_by_states(2), modes_by_states(1)
    (('LSTM',), ('GRU', 'RNN_TANH', 'RNN_RELU'))
    """
    kinds = [kind for kind in KINDS if count in (None, len(kind.states))]
    return tuple(dict.fromkeys(kind.mode for kind in sorted(kinds, key=lambda kind: len(kind.gates), reverse=True)))


SIMPLEST: Mapping[int, Mode] = {1: RNN_TANH.mode, 2: LSTM.mode}
"""The mode in which a layer of unknown equations is called, by the number of its states."""
OF_ITS_OWN: Mapping[int, Mode] = {1: RNN_RELU.mode, 2: LSTM.mode}
"""The mode whose shapes a recurrence of its own has, by the number of its states: one without a bound where there is one."""
