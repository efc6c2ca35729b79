"""Which argument and which result of a typed function is what: sequences, states, parameters, options, and the axes of time."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rnncheck.core.named import Named, NamedTensor, sizes_of
from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import (
    Leaf,
    Node,
    Path,
    Tree,
    Unreadable,
    choices_of,
    hints_of,
    leaves,
    optional,
    said,
    tree_of,
)
from rnncheck.reading.typed.markers import State, Values
from rnncheck.reading.typed.ragged import Ragged, ragged_of
from rnncheck.reading.typed.sizes import axis_for

TIME = ("time", "seq", "seq_len", "seqlen", "sequence", "length", "len", "t", "steps", "timesteps")
BATCH = ("batch", "b", "bsz", "bs", "batch_size", "n")
"""What the axes of time and batch are called, the first that is there."""
RETURNS_STATE = ("output_final_state", "return_last_states", "return_final_state", "return_state", "return_states", "use_cache",
                 "return_hidden", "output_state", "return_last_state", "return_cache")  # fmt: skip
"""Options without which no state comes back: they are True unless a Literal says otherwise."""


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


@dataclass(frozen=True)
class Roles:
    """What each argument and result of a typed function is.

    sequences, states, parameters: arguments; optional: names of sequences that may be left out
    outputs, finals: paths to tensors of the result, and the tensors; of the states in the order of their tensors
    choices: the values of each option; given: arguments that are sizes of axes, or always have one value
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
        return Named(sizes, sequences, states, outputs, options, self.time, self.batch or "batch")

    def for_wrapper(self) -> dict[str, Any]:
        """The same as literals, as rnncheck.reading.typed.wrapper.Typed takes them."""
        count = iter(range(sum(len(one.tensors) for one in self.states)))
        given = {axis: axis for axis in self.choices if axis not in {one.name for one in self.sequences}}
        return {
            "time": self.time,
            "batch": self.batch,
            "sequences": [_bounded(one) for one in self.sequences],
            "parameters": [_bounded(one) for one in self.parameters],
            "state": [(one.name, _structure(one.tree, count)) for one in self.states],
            "tensors": [" ".join(leaf.axes) for one in self.states for leaf in one.tensors],
            "outputs": [(list(path), " ".join(leaf.axes)) for path, leaf in self.outputs],
            "finals": None if self.finals is None else [list(path) for path, _ in self.finals],
            "rows": self.rows,
            "ragged": self.ragged and self.ragged.for_wrapper(),
            "options": list({**given, **self.given}.items()),
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
        return any(one.needed for one in self.states)

    def words(self) -> str:
        """What was understood, in one line."""
        told = [f"{', '.join(one.name for one in self.sequences)}: sequences"]
        if self.states:
            names = ", ".join(one.name for one in self.states)
            axes = "; ".join(
                f"({' '.join(axis for axis in leaf.axes if axis != self.batch)})" for one in self.states for leaf in one.tensors
            )
            back = "" if self.finals is None else f" -> {_results(self.finals)}"
            told.append(f"{names}{back}: state{'s' if ';' in axes else ''} {axes}")
        told += [f"{', '.join(one.name for one in self.parameters)}: parameters"] if self.parameters else []
        told += [f"{name}: option {', '.join(map(str, values))}" for name, values in self.choices.items()]
        told += [f"{self.ragged.name}: {_RAGGED[self.ragged.form]}"] if self.ragged else []
        return "; ".join([*told, *([] if self.batch else ["no batch axis"])])


_RAGGED = {"lengths": "lengths of sequences", "mask": "mask of padded steps", "offsets": "offsets of sequences laid end to end"}


def roles_of(function: Callable[..., Any], name: str, time: str | None = None) -> Roles:
    """Return the roles in a function that is annotated; raises UsageError where they cannot be told."""
    hints = hints_of(function)
    taken = [_argument(one, hints, name) for one in _taken(function)]
    telling = [(one, found) for one in taken if (found := ragged_of(one.name, one.tensors, name))]
    ragged = replace(telling[0][1], needed=telling[0][0].needed) if telling else None
    arguments = [one for one in taken if one not in [one for one, _ in telling]]
    axes = list(dict.fromkeys(axis for one in arguments for leaf in one.tensors for axis in leaf.axes))
    t = _time_axis(name, axes, time)
    b = _batch_axis([one for one in arguments if one.has(t)], axes)
    if len(telling) > 1 and telling[1][0].needed:
        raise UsageError(f"{name}: {telling[0][0].name} and {telling[1][0].name} both say the lengths; give one of them a default")
    outputs, candidates = _results_of(hints, name, t)
    sequences = [one for one in arguments if one.has(t)]
    _check_sequences(name, sequences, b)
    others = [one for one in arguments if one.tree is not None and one not in sequences]
    states, finals = _states(name, others, candidates)
    parameters = [one for one in others if one not in states]
    _check_parameters(name, parameters, b)
    if ragged is not None and b is None and ragged.form != "offsets":
        raise UsageError(f"{name}: {ragged.name} says the lengths of several sequences, but no axis is called batch; name one so")
    choices, given = _options(name, [one for one in arguments if one.tree is None], axes)
    choices |= {one.name: ("given", "left out") for one in sequences if not one.needed}
    return Roles(name, t, b, tuple(sequences), tuple(states), tuple(one for one in parameters if one.needed), tuple(outputs),
                 finals, choices, given, ragged)  # fmt: skip


def _taken(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of the function that a call names."""
    found = inspect.signature(function).parameters.values()
    return [one for one in found if one.name != "self" and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]


def _argument(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> Argument:
    hint = hints.get(parameter.name)
    try:
        tree = tree_of(hint)
    except Unreadable as found:
        raise said(f"{name}: {parameter.name}", found) from None
    return Argument(parameter.name, tree, hint, parameter.default)


def _time_axis(name: str, axes: Sequence[str], said: str | None) -> str:
    found = [axis for axis in axes if axis.lower() in TIME] if said is None else [axis for axis in axes if axis == said]
    if len(found) == 1:
        return found[0]
    there = ", ".join(axes) or "none"
    if found:
        raise UsageError(f"{name}: the axes {' and '.join(found)} may both be time; say which with --time NAME (time= in Python)")
    wanted = (
        f"--time = {said!r}, but should be one of"
        if said
        else "no axis is called time; call one so, or say which with --time NAME, of"
    )
    raise UsageError(f"{name}: {wanted} {there}")


def _batch_axis(sequences: Sequence[Argument], axes: Sequence[str]) -> str | None:
    """The axis of the batch; ``n`` is one only where it comes first everywhere."""
    first = all(leaf.axes[0].lower() == "n" for one in sequences for leaf in one.tensors)
    words = BATCH if first else BATCH[:-1]
    return next((axis for word in words for axis in axes if axis.lower() == word), None)


def _results_of(hints: Mapping[str, Any], name: str, time: str) -> tuple[list[tuple[Path, Leaf]], list[tuple[Path, Leaf]]]:
    """The outputs, and what may be final states."""
    try:
        found = list(leaves(tree_of(hints.get("return"))))
    except Unreadable as error:
        raise said(f"{name}: the result", error) from None
    outputs = [(path, leaf) for path, leaf in found if time in leaf.axes]
    if not outputs:
        came = "is not annotated" if not found else "has no tensor with the axis " + time
        raise UsageError(f'{name}: the result {came}, but should have the output; write -> Float[Tensor, "batch {time} …"]')
    return outputs, [(path, leaf) for path, leaf in found if time not in leaf.axes]


def _check_sequences(name: str, sequences: Sequence[Argument], batch: str | None) -> None:
    for one in sequences:
        if isinstance(one.tree, Node):
            raise UsageError(
                f"{name}: {one.name} holds sequences in a container, but should be one tensor; take it apart in a function"
            )
        (leaf,) = one.tensors
        if not leaf.floating:
            raise UsageError(
                f"{name}: {one.name} has a time axis and no real numbers; say what it is: Annotated[…, rnncheck.Mask()], "
                "rnncheck.Reset(), or give vectors instead of ids"
            )
        if batch is not None and batch not in leaf.axes:
            raise UsageError(f"{name}: {one.name} has no axis {batch}, but other sequences have; add it, or name none so")


def _check_parameters(name: str, parameters: Sequence[Argument], batch: str | None) -> None:
    for one in parameters:
        if isinstance(one.tree, Node) or batch in one.tree.axes:  # type: ignore[union-attr]
            raise UsageError(
                f"{name}: {one.name} has no time axis and does not come back, but is one for each sequence or a container; return it as a "
                f"state, give it a time axis, or leave the axis {batch} out"
            )


def _states(name: str, arguments: Sequence[Argument], candidates: Sequence[tuple[Path, Leaf]],
            ) -> tuple[list[Argument], tuple[tuple[Path, Leaf], ...] | None]:  # fmt: skip
    """The arguments that are states, and where each of their tensors comes back."""
    if not candidates:
        return [one for one in arguments if _is_called_state(one)], None
    left, states, finals = list(candidates), [], []
    for one in sorted(arguments, key=lambda one: not _is_called_state(one)):
        found = _comes_back(one, left)
        if found is None:
            if one.said(State) is not None:
                raise UsageError(f"{name}: {one.name} is a state, but no result of its type comes back; return it")
            continue
        states.append(one)
        finals += found
        left = [pair for pair in left if pair not in found]
    if left:
        path, leaf = left[0]
        raise UsageError(
            f"{name}: {_results([left[0]])} ({' '.join(leaf.axes)}) has no time axis and no argument of its type goes in; "
            f'take it as one: initial_state: Float[Tensor, "{" ".join(leaf.axes)}"] | None = None'
        )
    by_place = sorted(zip(states, range(len(states)), strict=True), key=lambda pair: list(arguments).index(pair[0]))
    grouped = _grouped(finals, states)
    return [one for one, _ in by_place], tuple(pair for _, place in by_place for pair in grouped[place])


def _grouped(finals: Sequence[tuple[Path, Leaf]], states: Sequence[Argument]) -> list[list[tuple[Path, Leaf]]]:
    found, start = [], 0
    for one in states:
        found.append(list(finals[start : start + len(one.tensors)]))
        start += len(one.tensors)
    return found


def _comes_back(argument: Argument, candidates: Sequence[tuple[Path, Leaf]]) -> list[tuple[Path, Leaf]] | None:
    """The results of the argument's types, in order; those of its own name, where it has one. None where one is missing."""
    left, found = list(candidates), []
    marker = argument.said(State)
    named = None if marker is None else marker.name
    for leaf in argument.tensors:
        same = [pair for pair in left if pair[1].axes == leaf.axes and (named is None or _state_name(pair[1]) in (None, named))]
        same.sort(key=lambda pair: _state_name(pair[1]) != named)
        if not same:
            return None
        found.append(same[0])
        left.remove(same[0])
    return found


def _state_name(leaf: Leaf) -> str | None:
    return next((marker.name for marker in leaf.markers if isinstance(marker, State)), None)


def _is_called_state(argument: Argument) -> bool:
    """Whether its name or its annotation says that it is a state."""
    name = argument.name.lower()
    parts = set(name.split("_"))
    by_name = bool(parts & {"initial", "init", "state", "states", "hx", "hidden", "cache", "prev", "h0", "c0", "carry", "memory"})
    return argument.said(State) is not None or by_name or name.endswith("_0")


def _options(name: str, arguments: Sequence[Argument], axes: Sequence[str]) -> tuple[dict[str, tuple[Any, ...]], dict[str, Any]]:
    """The values of each option; and what the call is always given."""
    choices: dict[str, tuple[Any, ...]] = {}
    given: dict[str, Any] = {}
    for one in arguments:
        values = choices_of(one.hint, one.default)
        if one.name in RETURNS_STATE and one.hint is bool:
            values = (True,)
        if values is not None:
            choices[one.name] = values
        elif one.hint is int and axis_for(one.name, axes) is not None:
            given[one.name] = axis_for(one.name, axes)
        elif one.needed:
            raise UsageError(_how_to_say(name, one))
    return choices, given


def _how_to_say(name: str, argument: Argument) -> str:
    if argument.hint is None:
        return f'{name}: {argument.name} is not annotated; write {argument.name}: Float[Tensor, "batch time …"], or its type'
    return (
        f"{name}: {argument.name} has no default and is no tensor with named axes; "
        f"write {argument.name}: Annotated[int, rnncheck.Options(16, 64)], or a Literal, or give it a default"
    )


def _tensor(name: str, leaf: Leaf) -> NamedTensor:
    bounds = next((marker for marker in leaf.markers if isinstance(marker, Values)), Values())
    return NamedTensor(name, " ".join(leaf.axes), bounds.low, bounds.high)


def _bounded(argument: Argument) -> tuple[str, str, float | None, float | None]:
    tensor = _tensor(argument.name, argument.tensors[0])
    return tensor.name, tensor.axes, tensor.low, tensor.high


def _structure(tree: Tree | None, count: Iterator[int]) -> Any:
    """The structure of a state as literals; tensors are their numbers."""
    if isinstance(tree, Node):
        return [tree.kind, *([name, _structure(part, count)] for name, part in tree.parts)]
    return next(count)


def _in_rows(tensor: NamedTensor, rows: str | None, batch: str | None) -> NamedTensor:
    """A state with the batch's name for the axis that counts sequences."""
    axes = [(batch or "batch") if axis == rows else axis for axis in tensor.axes.split()]
    return replace(tensor, axes=" ".join(axes))


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def _results(finals: Sequence[tuple[Path, Leaf]]) -> str:
    """Which results these are, in words."""
    places = list(dict.fromkeys(path[0] if path else 0 for path, _ in finals))
    words = [ORDINALS[place] if type(place) is int and place < len(ORDINALS) else repr(place) for place in places]
    return f"{' and '.join(words)} result"


def _place(path: Path) -> str:
    return ".".join(map(str, path)) or "output"
