"""Which tensors of a result are the state, and the ways in which they may go in again."""

import inspect
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import ORDERS
from rnncheck.reading.adapter.given_beside import filled
from rnncheck.reading.calls.beside import is_memory_word
from rnncheck.reading.calls.call_arguments import is_state_word, state_parameters, takes_more
from rnncheck.reading.calls.experiment import Sizes, rows_tried, steps_tried
from rnncheck.reading.calls.results import Path, common, leaves, structure_of, value_at

FINAL_WORDS = ("h_n", "c_n", "hn", "cn", "h_last", "c_last", "h_final", "c_final", "hy", "cy", "ht", "ct", "last")
"""What else a state is called that comes back."""


def groups(result: Any, output: Path, how: Mapping[str, Any], given: Tensor, sizes: Sizes,
           needed: int) -> Iterator[list[tuple[Path, Tensor]]]:  # fmt: skip
    """The tensors of the result that may be the state: all that can be, or those of one part of the result.

    given: the input; what is given beside it, and comes back as it is, is no state
    needed: how many arguments of a state must be given; as many parts may hold the same numbers after a first step
    """
    step = how.get("input") == "step"
    fill = partial(filled, input=given, rows=rows_tried(), hidden=sizes.hidden, batch_first=bool(how.get("batch_first")))
    beside = [fill(shape, kind, value) for _, shape, kind, value in how.get("beside", ())]
    new = [(path, t) for path, t in leaves(result) if not any(isinstance(one, Tensor) and torch.equal(t, one) for one in beside)]
    fitting = [(path, t) for path, t in new if is_state(t, sizes) and not (how["listed"] and _is_a_step(result, path))]
    if sum(parts_of(t, sizes) for path, t in fitting if path != output) % (sizes.layers * sizes.directions):
        fitting = [(path, t) for path, t in fitting if parts_of(t, sizes) % (sizes.layers * sizes.directions) == 0]
    outputs = len(output) if how["listed"] else None
    other = [(path, t) for path, t in fitting if path[:outputs] != output]
    if (step or how.get("rows")) and (len(fitting) == needed > 1 or not _is_returned_twice(fitting, output)):
        yield fitting  # a cell may return its state alone, and so may an encoder
    if other:
        yield other
    fronts = list(dict.fromkeys(path[0] for path, _ in other if path))
    if len(fronts) > 1:
        for front in fronts:
            yield [(path, t) for path, t in other if path[0] == front]
    if not step or not fitting:
        yield []


def _is_a_step(result: Any, path: Path) -> bool:
    """Whether a tensor stands in a list of as many as there are steps."""
    return bool(path) and len(value_at(result, path[:-1])) == steps_tried()


def _is_returned_twice(found: list[tuple[Path, Tensor]], output: Path) -> bool:
    """Whether the output stands beside its own numbers, which are the state."""
    numbers = next((t for path, t in found if path == output), None)
    return numbers is not None and any(path != output and _same(t, numbers) for path, t in found)


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, however their axes are."""
    return one.numel() == other.numel() and torch.equal(one.flatten(), other.flatten())


def is_state(tensor: Tensor, sizes: Sizes) -> bool:
    """Whether this may be a part of a state: it has a batch axis, no time axis, and whole hidden sizes of features on one axis."""
    rest = list(tensor.shape)
    if rows_tried() not in rest or steps_tried() in rest or not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    rest.remove(rows_tried())
    features, states = math.prod(rest), sizes.layers * sizes.directions
    known = {sizes.hidden, states, 2 * states}
    if sum(size % sizes.hidden == 0 for size in rest if size not in (1, states, 2 * states)) > 1:
        return False  # a matrix for each row has as many parts as units, so that a number of parts does not say its size
    return bool(rest) and features > 0 and features % sizes.hidden == 0 and sizes.input not in set(rest) - known


def parts_of(tensor: Tensor, sizes: Sizes) -> int:
    """Return how many parts of hidden_size features, each for one layer and direction, are in a state's tensor."""
    return tensor.numel() * (1 + tensor.is_complex()) // (rows_tried() * sizes.hidden)


def _axes(tensor: Tensor, sizes: Sizes, known: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    """The axes of a state's tensor; -k is k * hidden_size. With as many layers as rows, the batch is where it is known to be.

    Where no axis is a multiple of hidden_size, as with heads, the last one grows with it, and k is a fraction.
    """
    places = [i for i, size in enumerate(tensor.shape) if size == rows_tried()]
    batch = next((i for i in places if known[i : i + 1] == ("batch",)), places[0])
    found: list[float] = [-(size // sizes.hidden) if size % sizes.hidden == 0 else size for size in tensor.shape]
    if all(size > 0 for i, size in enumerate(found) if i != batch):
        last = max(i for i in range(len(found)) if i != batch)
        found[last] = -found[last] / sizes.hidden
    axes = tuple("batch" if i == batch else size for i, size in enumerate(found))
    return (*axes, "complex") if tensor.is_complex() else axes


def ways(module: Any, result: Any, states: list[tuple[Path, Tensor]], how: Mapping[str, Any],
          sizes: Sizes) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The ways in which the state may be given back to the module."""
    if not states:
        nothing = {**how, "given": [], "states": None, "tensors": [], "order": None}
        yield nothing
        yield from ({**nothing, **way} for way in _only_taken(module, how, sizes))
        return
    paths, tensors = [path for path, _ in states], [tensor for _, tensor in states]
    known = (*map(tuple, how.get("tensors", ())), *[()] * len(tensors))
    found = {
        **how,
        "states": [list(path) for path in paths],
        "tensors": [_axes(t, sizes, was) for t, was in zip(tensors, known, strict=False)],
    }
    parameters = state_parameters(module, how)
    parts = sum(parts_of(t, sizes) for t in tensors)
    orders = _as_before(how, paths, tensors, sizes) or _orders(parts, sizes)
    given: list[list[tuple[str | None, Any]]] = []
    if parameters and not _needs_several(parameters):
        given += [[(parameters[0].name, structure)] for structure in _structures(result, paths, tensors)]
    several = parameters if len(parameters) >= len(tensors) else state_parameters(module, how, all_of_them=True)
    if len(several) >= len(tensors) > 1:
        given.append([(p.name, number) for p, number in zip(several, range(len(tensors)), strict=False)])
    if not parameters and takes_more(module):
        given += [[(None, structure)] for structure in _structures(result, paths, tensors)]
        given += [[(None, number) for number in range(len(tensors))]] if len(tensors) > 1 else []
    for arguments in given or [[]]:
        wide = len(tensors) == 1 and any(a == "complex" or (type(a) is int and a < -1) for a in found["tensors"][0])
        for order in [None] if wide else orders:
            yield {**found, "given": arguments, "order": order}


def _only_taken(module: Any, how: Mapping[str, Any], sizes: Sizes) -> Iterator[dict[str, Any]]:
    """The ways in which a state may be given that does not come back."""
    states = sizes.layers * sizes.directions
    for p in state_parameters(module, how)[:1]:
        if is_state_word(p.name) and not is_memory_word(p.name):
            columns = [(-1, "batch")] if how.get("input") in ORDERS else []
            of_one = [("batch", -1), (states, "batch", -1), ("batch", states, -1), *columns]
            for axes in of_one if states == 1 else [(states, "batch", -1)]:
                yield {"given": [(p.name, 0)], "tensors": [axes]}


def _structures(result: Any, paths: list[Path], tensors: list[Tensor]) -> list[Any]:
    """What a state may look like that these tensors make up: as it came back, the containers around it, or a tuple of them."""
    numbers = {id(tensor): number for number, tensor in enumerate(tensors)}
    around = common(paths)
    found = [structure_of(value_at(result, around[:end]), numbers) for end in range(len(around), -1, -1)]
    found += [["tuple", *range(len(tensors))]] if len(tensors) > 1 else [0, ["tuple", 0], ["list", 0]]
    return [one for i, one in enumerate(found) if one is not None and one not in found[:i]]


def _needs_several(parameters: list[inspect.Parameter]) -> bool:
    return sum(p.default is p.empty for p in parameters) > 1


def _as_before(how: Mapping[str, Any], paths: list[Path], tensors: list[Tensor], sizes: Sizes) -> list[list[int] | None]:
    """Where h and c are, if a reading of one layer tells by which step of their paths they differ; nothing otherwise."""
    before, order = how.get("states") or [], how.get("order")
    if len(before) != 2 or order is None or len(order) != 2 or {len(path) for path in (*before, *paths)} != {len(before[0])}:
        return []  # a list of directions inside a list of layers has no such step in one place
    step = next(i for i, (one, other) in enumerate(zip(*before, strict=True)) if one != other)
    kinds = [path[step : step + 1] for path, t in zip(paths, tensors, strict=True) for _ in range(parts_of(t, sizes))]
    h, c = ([i for i, kind in enumerate(kinds) if list(kind) == [before[place][step]]] for place in order)
    return [[*h, *c]] if len(h) == len(c) == sizes.layers * sizes.directions else []


def _orders(parts: int, sizes: Sizes) -> list[list[int] | None]:
    """Where h and c may be among the parts; None where they are all of one kind."""
    states = sizes.layers * sizes.directions
    if parts != 2 * states:
        return [None]
    half = list(range(states))
    blocks = [*half, *[n + states for n in half]], [*[n + states for n in half], *half]
    pairs = [2 * n for n in half], [2 * n + 1 for n in half]
    found = [list(blocks[0]), list(blocks[1]), [*pairs[0], *pairs[1]], [*pairs[1], *pairs[0]]]
    return [order for i, order in enumerate(found) if order not in found[:i]]  # type: ignore[return-value]


def may_be_a_state(how: Mapping[str, Any], output: Tensor, final: Any, sizes: Sizes) -> bool:
    """Return whether what cannot be given again is a state: no name denies it; beside a last output its axes or numbers say so."""
    names = [[step.lower() for step in path if isinstance(step, str)] for path in how["states"]]
    if any(names):
        return all(not own or any(map(_says_state, own)) for own in names)
    layered, ends = any(len(axes) > 2 for axes in how["tensors"]), output[-1, :, : sizes.hidden]
    return not how["last"] or layered or any(torch.equal(part, ends) for whole in tensors_of(final) for part in whole)


def _says_state(name: str) -> bool:
    return is_state_word(name) or name in FINAL_WORDS or "final" in name


def tensors_of(final: Any) -> tuple[Tensor, ...]:
    """Return h, or h and c."""
    return final if isinstance(final, tuple) else (final,)
