"""Arguments of a call that must be given and are neither input nor state, nor lengths: what they may be filled with."""

import inspect
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from rnncheck.reading.adapter.adapted import ORDERS
from rnncheck.reading.calls.call_arguments import is_mask_word, is_state_word, parameters

Beside = list[list[Any]]
"""For each argument its name, the shape, dtype and value that it is filled with, as rnncheck.reading.adapter.adapted has them."""
Numbers = tuple[tuple[str, tuple[str, ...]], ...]
SHAPES = ("steps", "steps 1", "features", "hidden", "rows", "rows 1")
COUNT, COUNTS = "count", ("batch_size", "bsz", "n_batch")
"""The number of sequences, and what it is called; it is given where it may be left out too."""
OF_STEPS = {*SHAPES[:4], COUNT}
"""Those of which no state is: they have an axis of steps, or are a number."""
MEMORY = ("memory", "memory first")
"""Shapes of what is looked up at each step, such as what an encoder returned."""
MEMORY_PARTS = {"memory", "mem", "encoder", "encoded", "enc", "context", "contexts", "annotations", "keys", "values"}
"""Parts of names of what is looked up, which may be called a state too."""
MASKS = ("memory mask", "memory mask first")
"""Shapes of a mask of what is looked up, which has a number for each of its vectors."""
ID_PARTS = {"id", "ids", "idx", "idxs", "index", "indices", "token", "tokens", "category", "categories"}
"""Parts of names of ids that are looked up in a table."""
TIMES = "times"
TIME_PARTS = {"time", "times", "t", "ts", "timestamps", "timestamp", "tp", "tps", "timespans", "dt", "dts", "delta", "deltas"}
"""Times of the steps that all rows share, and parts of their names."""
VECTOR = "vector"
"""Features of each sequence, such as those that its initial state is made of."""
UNSAID = (*SHAPES, VECTOR, *MEMORY)
"""What an argument may be of which the name says nothing."""
GRAPH = "graph"
"""Which nodes are neighbours: a matrix, or the two ends of each edge."""
NUMBERS = {float: "float", int: "long", bool: "bool", "float": "float", "int": "long", "bool": "bool"}
ONES = (
    "mask", "masks", "valid", "keep", "dt", "delta", "time", "times", "timestamps", "scale", "weight", "weights", "steps", "not",
    "nonterminal", "nonterminals",
)  # fmt: skip
"""Words in names of arguments that leave the recurrence as it is where they are 1."""
MARKS_PADDING = {"pad", "pads", "padding", "padded"}
"""Words in the name of a mask that is 1 where nothing is meant."""
NUMBERS_GIVEN = (("neutral", ("float", "bool", "long")), ("between", ("float",)), ("opposite", ("float", "bool")))
"""What is tried, in this order: a number that leaves the recurrence as it is, as far as names say so, or one that changes it."""
MANY = 2
"""Up to as many such arguments, each is tried in a shape of its own; with more, all are of one shape."""


def beside(module: Any, how: Mapping[str, Any], numbers: Numbers = NUMBERS_GIVEN) -> Iterator[Beside]:
    """Return what the arguments may be filled with that must be given and are not among those taken.

    Where the input itself is given in a way that is rare, all arguments are of one shape, and none is a state without its name.
    """
    counts = [p.name for p in parameters(module, how) if p.name in COUNTS and (p.default is None or p.default is p.empty)]
    counted: Beside = [[name, COUNT, "long", 0.0] for name in counts]
    if counted:
        yield counted
    for more in _beside(module, how, numbers, counts):
        yield [*counted, *more]


def _beside(module: Any, how: Mapping[str, Any], numbers: Numbers, counts: list[str]) -> Iterator[Beside]:
    """The same of those that are no number of sequences."""
    usual, step = how.get("input") not in ORDERS and how.get("step_axis") is None, how.get("input") == "step"
    taken = how["lengths"][:1] if how["lengths"] else ()
    known = [p for p in parameters(module, how) if p.default is p.empty and p.name not in (*taken, *counts)]
    needed = [p for p in known if not is_state_word(p.name)]
    yield from _fillings(needed, numbers, step, alike=not usual, others=(GRAPH,) if how.get("nodes") else UNSAID)
    states = [p for p in parameters(module, how) if is_state_word(p.name)]
    looked_up = [p for p in states if p in known and (len(states) > 1 or is_memory_word(p.name))]
    for p in looked_up:  # what an encoder returned may be called a state too
        yield from _fillings([one for one in known if one == p or one in needed], numbers, step, MEMORY)
    if len(needed) == len(known) and usual:  # one of them may be the state, under another name
        for state in needed[: MANY * (len(needed) > 1)]:
            yield from _fillings([p for p in needed if p is not state], numbers, step, alike=len(needed) > MANY)


def other_sequences(module: Any, how: Mapping[str, Any]) -> Iterator[Beside]:
    """Where a later argument is the input, fill those that must be given beside it with sequences of two steps."""
    others = [p for p in parameters(module, how) if p.default is p.empty and not is_state_word(p.name)]
    for shape in MEMORY:
        yield [[p.name, shape, "long" if how.get("ids") else "float", 1.0] for p in others]


def _is_ids_word(name: str) -> bool:
    """Whether an argument of this name may hold ids that are looked up in a table."""
    return bool(set(name.lower().split("_")) & ID_PARTS)


def is_memory_word(name: str) -> bool:
    """Whether an argument of this name may be what is looked up at each step."""
    return bool(set(name.lower().split("_")) & MEMORY_PARTS)


def another_is_called_so(module: Any, how: Mapping[str, Any]) -> bool:
    """Whether none of the arguments that are given as the state is called one, and another argument is."""
    given = {name for name, _ in how["given"]}
    states = {p.name for p in parameters(module, how) if is_state_word(p.name)}
    return not given & states and any(not is_memory_word(name) for name in states)


def _fillings(needed: list[inspect.Parameter], numbers: Numbers, step: bool, shapes_of_states: tuple[str, ...] = (),
              alike: bool = False, others: tuple[str, ...] = UNSAID) -> Iterator[Beside]:  # fmt: skip
    """What these arguments may be filled with; those that are called a state in these shapes alone.

    step: whether a call is one step, which has one time; alike: whether all have one shape
    others: the shapes of those of which the name says nothing
    """
    if not needed:
        return
    shapes = [
        shapes_of_states
        if is_state_word(p.name)
        else [NUMBERS[p.annotation]]
        if p.annotation in NUMBERS
        else (*(MASKS if len(needed) > 1 and set(others) & {*MEMORY} else ()), *SHAPES)
        if is_mask_word(p.name)
        else (*([TIMES] if set(p.name.lower().split("_")) & TIME_PARTS and not step else []), *others)
        for p in needed
    ]
    kinds_of_shapes = dict.fromkeys(kind for one in shapes for kind in one)
    by_turns = list(dict.fromkeys(tuple(kind if kind in one else one[0] for one in shapes) for kind in kinds_of_shapes))
    chosen = list(product(*shapes)) if len(needed) <= MANY and not alike else by_turns
    for number, kinds in numbers:
        for shape in chosen if number == "neutral" or len(needed) == 1 else by_turns:
            for kind in kinds[:1] if {*shape} <= {TIMES, VECTOR, *MEMORY} else kinds:
                said = ["long" if kind == "float" and _is_ids_word(p.name) else kind for p in needed]
                for each in dict.fromkeys((tuple(said), (kind,) * len(needed))):
                    yield [_filled(p, one, own, number) for p, one, own in zip(needed, shape, each, strict=True)]


def _filled(parameter: inspect.Parameter, shape: str, kind: str, number: str) -> list[Any]:
    if shape in (TIMES, VECTOR, *MEMORY):
        return [parameter.name, shape, "float", 1.0]
    words = parameter.name.lower().split("_")
    neutral = float(any(word in ONES or word.removesuffix("s") in ONES for word in words) and not (MARKS_PADDING & {*words}))
    value = {"neutral": neutral, "between": neutral if is_mask_word(parameter.name) else 0.5, "opposite": 1.0 - neutral}[number]
    return [parameter.name, *(("number", shape) if shape in NUMBERS.values() else (shape, kind)), value]
