"""Which argument and which result of a typed function is what: sequences, states, parameters, options, and the axes of time."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.core.named import Named, NamedTensor, sizes_of
from rnncheck.reading.typed.annotations import (
    Leaf,
    Node,
    Path,
    Tree,
    leaves,
)
from rnncheck.reading.typed.axis_names import TIME
from rnncheck.reading.typed.caches import Cache
from rnncheck.reading.typed.markers import Reset, Values
from rnncheck.reading.typed.ragged import Ragged


@dataclass(frozen=True)
class Argument:
    """One argument of the function: its annotation as a tree, None where it is an option; and how it may be left out."""

    name: str
    tree: Tree | None
    hint: Any = None
    default: Any = inspect.Parameter.empty

    @property
    def needed(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty

    @property
    def tensors(self) -> list[Leaf]:
        """All tensors in it."""
        return [leaf for _, leaf in leaves(self.tree)]

    def has(self, axis: str | None) -> bool:
        """Whether a tensor of it has this axis."""
        return any(axis in leaf.axes for leaf in self.tensors)

    def said_as(self, other: "Argument") -> "Argument":
        """The same with what is said beside another's type."""
        assert isinstance(self.tree, Leaf)
        return replace(self, tree=replace(self.tree, markers=other.tensors[0].markers))

    def said(self, kind: type) -> Any:
        """The marker of this kind, None where there is none."""
        return next((one for leaf in self.tensors for one in leaf.markers if isinstance(one, kind)), None)


Position = tuple[str, str | None, int | float]
"""An argument that says how many steps come before: its name, its axes (None for a number), and its value where none does."""


@dataclass(frozen=True)
class Roles:
    """What each argument and result of a typed function is.

    sequences, states, parameters: arguments; optional: names of sequences that may be left out
    outputs, finals: paths to tensors of the result, and the tensors; of the states in the order of their tensors
    choices: the values of each option; given: arguments that are sizes of axes, or always have one value
    kept: names of states that do not come back: what each sequence has for all of its steps
    never: names of arguments that are None in every call, as nothing says what they may be
    none: names of arguments without a default, which are None where nothing is given
    backward: options with which sequences are read from their end
    beside: results that are neither outputs nor states
    counts: arguments that may say how many steps come before the call, or of each step how many come before it
    positions: those of them that do
    """

    name: str
    time: str
    batch: str | None
    sequences: tuple[Argument, ...]
    states: tuple[Argument, ...]
    parameters: tuple[Argument, ...]
    outputs: tuple[tuple[Path, Leaf], ...]
    finals: tuple[tuple[Path, Leaf], ...] | None
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    ragged: Ragged | None = None
    cache: Cache | None = None
    kept: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    backward: tuple[tuple[str, Any], ...] = ()
    beside: tuple[tuple[Path, Any], ...] = ()
    counts: tuple[Position, ...] = ()
    positions: tuple[Position, ...] = ()

    @property
    def rows(self) -> str | None:
        """The axis of a state that counts sequences."""
        rows = self.ragged.rows if self.ragged else None
        return rows if any(rows in leaf.axes for one in self.states for leaf in one.tensors) else self.batch

    def named(self) -> Named:
        """The tensors and axes, with sizes that differ from each other."""
        sequences = tuple(_tensor(one.name, leaf) for one in self.sequences for leaf in one.tensors)
        states = tuple(_in_rows(_tensor(one.name, leaf), self.rows, self.batch) for one in self.states for leaf in one.tensors)
        outputs = tuple(_tensor(_place(path), leaf) for path, leaf in self.outputs)
        everything = (*sequences, *states, *outputs, *(_tensor(one.name, leaf) for one in self.parameters for leaf in one.tensors))
        axes = sizes_of(everything, {self.time: 0, self.batch: 0, self.rows: 0, "batch": 0})
        options = tuple((name, values[0]) for name, values in self.choices.items())
        sizes = tuple((axis, 2 + i) for i, axis in enumerate(axes))
        return Named(sizes, sequences, states, outputs, options, self.time, self.batch or "batch").but_sizes()

    def for_wrapper(self) -> dict[str, Any]:
        """The same as literals, as rnncheck.reading.typed.wrapper.Typed takes them."""
        count = iter(range(sum(len(one.tensors) for one in self.states)))
        given = {axis: axis for axis in self.choices if axis not in {one.name for one in (*self.sequences, *self.parameters)}}
        return {
            "time": self.time,
            "batch": self.batch,
            "sequences": [_bounded(one) for one in self.sequences],
            "flags": [one.name for one in self.sequences if is_flag(one)],
            "types": {one.name: type_of(one.tensors[0]) for one in (*self.sequences, *self.parameters) if not _is_real(one)},
            "parameters": [_bounded(one) for one in self.parameters],
            "state": [(one.name, structure_of(one.tree, count)) for one in self.states],
            "kept": list(self.kept),
            "tensors": [(" ".join(leaf.axes), type_of(leaf)) for one in self.states for leaf in one.tensors],
            "outputs": [(list(path), " ".join(leaf.axes)) for path, leaf in self.outputs],
            "finals": self._paths(),
            "rows": self.rows,
            "ragged": self.ragged and self.ragged.for_wrapper(),
            "cache": self.cache and self.cache.for_wrapper(),
            "options": list({**given, **self.given}.items()),
            "none": list(self.none),
            "backward": list(self.backward),
            "positions": list(self.positions),
        }

    def in_order_of(self, other: "Roles") -> "Roles":
        """The same with sequences and parameters in another's order, and with its bounds on their values."""

        def ordered(own: Sequence[Argument], others: Sequence[Argument]) -> tuple[Argument, ...]:
            by_name = {one.name: one for one in own}
            return tuple(by_name[one.name].said_as(one) for one in others)

        return replace(
            self, sequences=ordered(self.sequences, other.sequences), parameters=ordered(self.parameters, other.parameters)
        )

    @property
    def state_needed(self) -> bool:
        """Whether a state must be given."""
        return any(one.needed for one in self.states if one.name not in self.kept)

    def _paths(self) -> list[Any] | None:
        """Where each tensor of the final state is in the result; None for one that stays as it is."""
        if self.finals is None:
            return None
        paths = iter([list(path) for path, _ in self.finals])
        return [None if one.name in self.kept else next(paths) for one in self.states for _ in one.tensors]

    def words(self) -> str:
        """What was understood, in one line."""
        flags = [one for one in self.sequences if one.said(Reset)]
        plain = [one.name for one in self.sequences if is_flag(one) and one not in flags]
        told = [f"{', '.join(one.name for one in self.sequences if not is_flag(one))}: sequences"]
        told += [f"{one.name}: the state is forgotten {_tensor('', one.tensors[0]).resets} such a step" for one in flags]
        told += [f"{', '.join(plain)}: True or False at each step"] if plain else []
        carried = [one for one in self.states if one.name not in self.kept]
        if carried:
            names = ", ".join(one.name for one in carried)
            axes = "; ".join(
                f"({' '.join(axis for axis in leaf.axes if axis != self.batch)})" for one in carried for leaf in one.tensors
            )
            back = "" if self.finals is None else f" -> {in_words(self.finals)}"
            alone = ", which no result gives back" if self.finals is None else ""
            told.append(f"{names}{back}: state{'s' if ';' in axes else ''} {axes}{alone}")
        told += [f"{', '.join(self.kept)}: the same for all steps of a sequence"] if self.kept else []
        told += [f"{', '.join(one.name for one in self.parameters)}: parameters"] if self.parameters else []
        told += [f"{name}: option {', '.join(map(str, values))}" for name, values in self.choices.items()]
        when = [f" where {name} is {value!r}" for name, value in self.backward if name]
        told += [f"sequences are read from their end{' or'.join(when)}"] if self.backward else []
        told += [f"{self.ragged.name}: {_RAGGED[self.ragged.form]}"] if self.ragged else []
        told += (
            [f"{self.cache.name}: {'caches that are' if self.cache.parts else 'a cache that is'} carried and not read"]
            if self.cache
            else []
        )
        for what in ("the call", "each step"):
            counts = [name for name, axes, _ in self.positions if (self.time in (axes or "").split()) == (what == "each step")]
            told += [f"{', '.join(counts)}: how many steps come before {what}"] if counts else []
        told += [f"{', '.join(self.never)}: never given"] if self.never else []
        told += [f"{', '.join(_beside(self.beside))}: not looked at"] if self.beside else []
        told += [] if self.time.lower() in TIME else [f"{self.time}: the axis of time"]
        return "; ".join([*told, *([] if self.batch or self.ragged else ["no batch axis"])])


_RAGGED = {"lengths": "lengths of sequences", "mask": "mask of padded steps", "offsets": "offsets of sequences laid end to end"}


def _tensor(name: str, leaf: Leaf) -> NamedTensor:
    resets = next(("after" if marker.after else "before" for marker in leaf.markers if isinstance(marker, Reset)), "")
    said = next((marker for marker in leaf.markers if isinstance(marker, Values)), None)
    usual = None if leaf.floating or resets else 0.0  # whole numbers are counts
    low, high = (usual, None) if said is None else (said.low, said.high)
    return NamedTensor(name, " ".join(leaf.axes), low, high, resets, flags=bool(resets) or type_of(leaf) == "bool")


def is_flag(argument: Argument) -> bool:
    """Whether a sequence is True or False at each step, or says so in numbers, as reset flags do."""
    return argument.said(Reset) is not None or (isinstance(argument.tree, Leaf) and type_of(argument.tree) == "bool")


def _is_real(argument: Argument) -> bool:
    return type_of(argument.tensors[0]) == "float"


def type_of(leaf: Leaf) -> str:
    """The type that a tensor has in a call: "bool", "int", "complex", "float32" where it says so, or "float", that of the input."""
    if leaf.complex:
        return "complex"
    if leaf.dtypes == ("float32",):
        return "float32"
    return "float" if leaf.floating else "bool" if any("bool" in dtype for dtype in leaf.dtypes) else "int"


def _bounded(argument: Argument) -> tuple[str, str, float | None, float | None]:
    tensor = _tensor(argument.name, argument.tensors[0])
    return tensor.name, tensor.axes, tensor.low, tensor.high


def structure_of(tree: Tree | None, count: Iterator[int]) -> Any:
    """The structure of a state as literals; tensors are their numbers."""
    if isinstance(tree, Node):
        return [tree.kind, *([name, structure_of(part, count)] for name, part in tree.parts)]
    return next(count)


def _in_rows(tensor: NamedTensor, rows: str | None, batch: str | None) -> NamedTensor:
    """A state with the batch's name for the axis that counts sequences."""
    axes = [(batch or "batch") if axis == rows else axis for axis in tensor.axes.split()]
    return replace(tensor, axes=" ".join(axes))


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def in_words(finals: Sequence[tuple[Path, Any]]) -> str:
    """Which results these are, in words."""
    places = list(dict.fromkeys(path[0] if path else 0 for path, _ in finals))
    return f"{' and '.join(map(_ordinal, places))} result"


def _beside(paths: Sequence[tuple[Path, Any]]) -> list[str]:
    """Which results are not looked at, and which parts of results are not."""
    whole, parts = [one for one in paths if len(one[0]) < 2], [path for path, _ in paths if len(path) > 1]
    told = [in_words(whole)] if whole else []
    return told + [f"{_ordinal(path[-1])} part of {_ordinal(path[0])} result" for path in parts]


def _ordinal(place: str | int) -> str:
    return ORDINALS[place] if isinstance(place, int) and place < len(ORDINALS) else repr(place)


def _place(path: Path) -> str:
    return ".".join(map(str, path)) or "output"
