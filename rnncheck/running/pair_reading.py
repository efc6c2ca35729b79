"""Which sizes the reference takes, and which of its axes are batch and time: found by experiments on it, in float64."""

from collections.abc import Iterator, Mapping, Set
from itertools import islice, product
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.plain_text import said
from rnncheck.errors import UsageError
from rnncheck.running.pair import Axis, Pair, PairReading, Shapes, built, cast, replaced
from rnncheck.running.pair_draws import default_dtype
from rnncheck.running.pair_results import poison, tensors
from rnncheck.running.subject_errors import seeded

POOL = (2, 3, 4, 5, 7, 6, 9, 11, 10, 13, 14, 15)
"""Small sizes that differ, in the order in which the given sizes that they replace grow."""
POWERS = tuple(2**k for k in range(1, 12))
LARGE = 3
"""Sizes up to this stay."""
TRIES = 40
"""How many sets of small sizes are tried."""
MORE = 2
"""By how much an axis is lengthened to see whether it may have another length."""


def read_pair(pair: Pair) -> PairReading:
    """The reading of a pair's reference; raises UsageError where the reference cannot be run as its module says."""
    with seeded(0):
        given = pair.inputs()
    shapes: Shapes = tuple(tuple(value.shape) if isinstance(value, Tensor) else None for value in given)
    if not any(isinstance(value, Tensor) for value in given):
        raise UsageError(f"{pair.reference.name}: get_inputs() returns no tensor, but should return the inputs of forward")
    reading = _smallest(pair, PairReading(shapes))
    return _with_axes(pair, reading)


def _smallest(pair: Pair, reading: PairReading) -> PairReading:
    """The reading with small sizes that the reference takes, if there are any."""
    numbers = sorted(set(_numbers(pair.init())))
    stays = {size for size in (*_all_numbers(pair.init()), *_all_numbers(reading.given)) if size <= LARGE}
    for smaller, below in islice(_shrunk(numbers, reading.given, stays), TRIES):
        shapes = replaced(reading.given, smaller)
        candidate = PairReading(reading.given, smaller, shapes, below=below)
        if _runs(pair, candidate, shapes) is not None:
            return candidate
    _require_runs(pair, reading)
    return reading


def _require_runs(pair: Pair, reading: PairReading) -> None:
    """Raise UsageError where the reference does not run on its own inputs in float64."""
    try:
        _run(pair, None, pair.drawn(reading.given, "read", 0), 0)
    except Exception as error:
        raise UsageError(
            f"{pair.reference.name}: raises with the inputs of get_inputs() in float64: {said(error)}; "
            "should run there, for float64 says what is right"
        ) from None


def _all_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _all_numbers(part)
    elif type(value) is int:
        yield value


def _numbers(value: Any) -> Iterator[int]:
    return (number for number in _all_numbers(value) if number > LARGE)


def _shrunk(numbers: list[int], shapes: Shapes, stays: Set[int]) -> Iterator[tuple[Mapping[int, int], int | None]]:
    """Sets of small sizes, the simplest first: all distinct; in powers of two; and sizes of inputs that are multiples as such."""
    sizes = sorted({size for shape in shapes if shape is not None for size in shape if size > LARGE} - set(numbers))
    choices = [[None, *(n for n in numbers if size % n == 0)][:3] for size in sizes]
    for ladder in (tuple(size for size in POOL if size not in stays), POWERS):
        for chosen in islice(product(*(sorted(c, key=lambda n: n is None) for c in choices)), 8):
            free = sorted({*numbers, *(size for size, base in zip(sizes, chosen, strict=True) if base is None)})
            if len(free) > len(ladder):
                continue
            smaller = dict(zip(free, ladder, strict=False))
            smaller |= {size: smaller[base] * min(size // base, 3) for size, base in zip(sizes, chosen, strict=True) if base}
            for below in (None, 2):
                yield {size: min(size, small) for size, small in smaller.items()}, below


def _run(pair: Pair, smaller: Mapping[int, int] | None, inputs: list[Any], seed: int) -> dict[str, Tensor]:
    """What the reference returns, float64, eval()."""
    model = built(pair.reference.object, pair.init(smaller), 0, torch.float64).eval()
    with seeded(seed), default_dtype(torch.float64), torch.no_grad():
        result = model(*cast(inputs, torch.float64))
        found = {path: value.clone() for path, value in tensors(result).items()}
        poison(result)
        return found


def _runs(pair: Pair, reading: PairReading, shapes: Shapes) -> dict[str, Tensor] | None:
    """The results with inputs of these shapes; None where the reference takes none such."""
    try:
        return _run(pair, reading.smaller, pair.drawn(shapes, "read", 0, reading.below), 0)
    except Exception:  # whatever it raises says that these sizes do not fit
        return None


def _with_axes(pair: Pair, reading: PairReading) -> PairReading:
    """The reading with batch and time."""
    shapes = reading.small if reading.smaller is not None else reading.given
    own = _runs(pair, reading, shapes)
    if own is None:
        return reading
    free = [axes for axes in _groups(shapes) if _runs(pair, reading, _longer(shapes, axes)) is not None]
    inputs = pair.drawn(shapes, "read", 0, reading.below)
    draws = not _same(own, _run(pair, reading.smaller, inputs, 1))
    found = {axes: _permuted(pair, reading, inputs, own, axes) for axes in free}
    rows = next((axes for axes in free if found[axes]), None) or next((axes for axes in free if (0, 0) in axes), ())
    if len(free) > 1 and not any(found.values()):
        rows = _drawn_for(pair, reading, shapes, free)
    steps = next((axes for axes in free if axes != rows), ())
    permutes = found.get(rows) or {}
    return PairReading(
        reading.given, reading.smaller, reading.small, rows, steps, permutes, draws, reading.below,
    )  # fmt: skip


def _drawn_for(pair: Pair, reading: PairReading, shapes: Shapes, free: list[tuple[Axis, ...]]) -> tuple[Axis, ...]:
    """Which of the free axes is the batch where rows cannot be exchanged, since each draws a state of its own.

    The batch is the axis that most results have.
    """
    counts = {}
    for axes in free:
        place, axis = axes[0]
        longer = _runs(pair, reading, _longer(shapes, axes)) or {}
        size = (shapes[place] or ())[axis] + MORE
        counts[axes] = sum(size in value.shape for value in longer.values())
    return max(free, key=lambda axes: counts[axes])


def _groups(shapes: Shapes) -> list[tuple[Axis, ...]]:
    """The axes of the inputs that have one size in common, and each axis that has its size with another by chance."""
    together: dict[int, list[Axis]] = {}
    for place, shape in enumerate(shapes):
        for axis, size in enumerate(shape or ()):
            together.setdefault(size, []).append((place, axis))
    groups = [chosen for axes in together.values() for chosen in islice(_one_of_each(axes), TRIES)]
    return list(dict.fromkeys([*groups, *((axis,) for axes in together.values() for axis in axes)]))


def _one_of_each(axes: list[Axis]) -> Iterator[tuple[Axis, ...]]:
    """Each choice of one axis of each input among these."""
    places = dict.fromkeys(place for place, _ in axes)
    return product(*([axis for axis in axes if axis[0] == place] for place in places))


def _longer(shapes: Shapes, axes: tuple[Axis, ...]) -> Shapes:
    return tuple(
        None if shape is None else tuple(size + MORE * ((place, axis) in axes) for axis, size in enumerate(shape))
        for place, shape in enumerate(shapes)
    )


def _permuted(
    pair: Pair, reading: PairReading, inputs: list[Any], own: Mapping[str, Tensor], axes: tuple[Axis, ...]
) -> dict[str, int]:
    """The axis of each result along which it is permuted if the inputs are along these; empty where any is not."""
    place, axis = axes[0]
    size = inputs[place].shape[axis]
    if size < 2:
        return {}
    found = _run(pair, reading.smaller, permuted(inputs, axes, torch.arange(size).roll(1)), 0)
    along = {path: _axis_of(value, found[path], size) for path, value in own.items()}
    return {path: at for path, at in along.items() if at is not None} if all(at is not None for at in along.values()) else {}


def _axis_of(own: Tensor, other: Tensor, size: int) -> int | None:
    order = torch.arange(size).roll(1)
    fits = (at for at, n in enumerate(own.shape) if n == size and _close(own.index_select(at, order), other))
    return next((at for at in fits if not _close(own, other)), None)


def permuted(inputs: list[Any], axes: tuple[Axis, ...], order: Tensor) -> list[Any]:
    """The inputs with the entries along these axes in another order, or some of them."""
    found = list(inputs)
    for place, axis in axes:
        found[place] = found[place].index_select(axis, order.to(found[place].device))
    return found


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[path]) for path, value in one.items())


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether two float64 results of one computation are equal except for the order of sums: an experiment, no judgement."""
    return one.shape == other.shape and bool(((one - other).abs() <= 1e-9 * (1 + one.abs().max())).all())
