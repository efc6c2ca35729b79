"""From a failing case to the smallest one that a person would want to see.

Works on cases, not on Hypothesis' choice sequences, so that it can start from a stored case, cross process borders, and
keep to its order: flags and sizes first, then values. Deterministic: the same case and the same attempts give the same end.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import singledispatch
from math import prod
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.core.config import Config, ConfigError
from rnncheck.core.named import Named
from rnncheck.core.needs import NEEDS, Need
from rnncheck.core.pair_case import PairCase
from rnncheck.core.step_case import StepCase
from rnncheck.core.values import PATTERNS, Values
from rnncheck.strategies.cliffs import LARGE

SMALL = 4
"""A size that a person can look at."""
OTHER_SEEDS = range(1, 9)
"""With which a smaller size may show what it does not show with the numbers that the case has by chance."""


@dataclass(frozen=True)
class Shrunk:
    """The smallest failing case found, after how many attempts, and the fields whose value makes no difference.

    needs: what the case must have to fail, in words; None where there was no time to find out
    """

    case: Any
    attempts: int
    irrelevant: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None


def shrink(case: Any, fails: Callable[[Any], bool], attempts: int = 300) -> Shrunk:
    """Greedy: take the first simpler case that fails too, until none does or the attempts are used up."""
    tried = {case}
    progress = True
    while progress and len(tried) <= attempts:
        progress = False
        for candidate in simpler(case):
            if candidate in tried or len(tried) > attempts:
                continue
            tried.add(candidate)
            if fails(candidate):
                case, progress = candidate, True
                break
    return Shrunk(case, len(tried) - 1, irrelevant(case, fails))


def needed(case: Any, fails: Callable[[Any], bool], asked: Callable[[Any], bool]) -> tuple[str, ...]:
    """Return what a minimal case must have to fail: the property is asked about cases without it too, and holds there."""
    if not isinstance(case, Case):
        return ()
    return tuple(need.words for need in NEEDS if need.has(case) and _holds_without(case, need, fails, asked))


def _holds_without(case: Case, need: Need, fails: Callable[[Any], bool], asked: Callable[[Any], bool]) -> bool:
    found = []
    for value in need.without:
        with suppress(ValueError):  # a ConfigError or CaseError: no such case
            found.append(_change(case, {need.field: value}))
    about = [candidate for candidate in found if asked(candidate)]
    return bool(about) and not any(fails(candidate) for candidate in about)


@singledispatch
def simpler(case: Any) -> Iterator[Any]:
    """Simpler neighbours of a case, the greatest steps first; none that cannot be. Each kind of case has its own."""
    raise TypeError(f"no way to simplify a {type(case).__name__}")


@singledispatch
def irrelevant(case: Any, fails: Callable[[Any], bool]) -> tuple[str, ...]:
    """The fields of a minimal case that could as well be anything else."""
    return ()


@irrelevant.register
def _(case: Case, fails: Callable[[Case], bool]) -> tuple[str, ...]:
    others: dict[str, tuple[Any, ...]] = {
        "batch_first": (not case.config.batch_first,),
        "bias": (not case.config.bias,),
        "bidirectional": (not case.config.bidirectional,),
        "training": (not case.training,),
        "dtype": tuple(dtype for dtype in ("float64", "float32") if dtype != case.dtype),
        "hx": tuple(hx for hx in ("none", "zeros", "random") if hx != case.hx),
    }
    return tuple(name for name, values in others.items() if all(fails(case.but(**{name: value})) for value in values))


@simpler.register
def _(case: Case) -> Iterator[Case]:
    for changes in _steps(case):
        try:
            candidate = _change(case, changes)
        except (ValueError, ConfigError):  # a step that leads to a case that cannot be is no step
            continue
        if candidate != case:
            yield candidate


def _steps(case: Case) -> Iterator[dict[str, Any]]:
    config = case.config
    sizes = {"time": case.time, "batch": case.rows}
    sizes |= {} if config.named else {"hidden_size": config.hidden_size, "input_size": config.input_size}
    for name in (name for name, size in sizes.items() if size > LARGE):  # first, since all that follows is quicker then
        yield from ({name: n} for n in _smaller(sizes[name], 1))
    yield from ({f.name: f.default} for f in fields(Config)[3:] if f.name not in ("num_layers", "named"))
    yield from ({"num_layers": n} for n in _smaller(config.num_layers, 1))
    yield from ({"lengths": None}, {"batch": None}, {"hx": "none"}, {"layout": "contiguous"}, {"training": False})
    yield from ({"dtype": "float32"}, {"switches": ()})
    yield from ({"named": named} for named in _simpler_named(config.named))
    yield from ({"time": n} for n in _smaller(case.time, 1))
    yield from ({"batch": n} for n in _smaller(case.rows, 1) if case.batch is not None)
    yield from ({"hidden_size": n} for n in _smaller(sizes.get("hidden_size", 0), 1 + (config.proj_size > 0)))
    yield from ({"input_size": n} for n in _smaller(sizes.get("input_size", 0), 1))
    yield from ({"proj_size": n} for n in _smaller(config.proj_size, 1) if config.proj_size)
    yield {"hx": "zeros"} if case.hx == "random" else {}
    for row, length in enumerate(case.lengths or ()):
        yield from ({"lengths": _with(case.lengths or (), row, n)} for n in (1, length - 1) if 1 <= n < length)
    for name in ("weights", "biases", "input", "state"):
        yield from ({name: values} for values in _simpler_values(getattr(case, name)))
    yield from ({"seed": n} for n in (0, 1, 2) if n < case.seed)
    for name in (name for name, size in sizes.items() if size > SMALL):
        yield from ({name: n, "seed": seed} for n in (2, SMALL) for seed in OTHER_SEEDS)


def _simpler_named(named: Named | None) -> Iterator[Named]:
    """The same with one option plainer (what the subject does not offer is no failure), or one axis smaller."""
    for name, value in named.options if named else ():
        plainer = _smaller(value, 1) if type(value) is int else [False] if value is True else ["left out"]
        yield from (named.but_options(**{name: one}) for one in plainer if named)
    for axis, size in named.sizes if named else ():
        yield from (named.but_sizes(**{axis: n}) for n in _smaller(size, 1) if named)


@simpler.register
def _(case: ClipCase) -> Iterator[ClipCase]:
    for changes in _clip_steps(case):
        try:
            candidate = case.but(**changes)
        except ValueError:  # a step that leads to a case that cannot be is no step
            continue
        if candidate != case:
            yield candidate


def _clip_steps(case: ClipCase) -> Iterator[dict[str, Any]]:
    gradients = case.gradients
    yield from ({"gradients": gradients[:i] + gradients[i + 1 :]} for i in range(len(gradients)) if len(gradients) > 1)
    yield from ({"passed_as": "list"}, {"foreach": None}, {"norm_type": 2.0}, {"error_if_nonfinite": False})
    yield {"max_norm": 1.0}
    for i, gradient in enumerate(gradients):
        steps = (replace(gradient, **{name: value}) for name, value in _gradient_steps(gradient))
        yield from ({"gradients": (*gradients[:i], simple, *gradients[i + 1 :])} for simple in steps)
    yield from ({"seed": n} for n in (0, 1, 2) if n < case.seed)


def _gradient_steps(gradient: Gradient) -> Iterator[tuple[str, Any]]:
    yield from (("missing", False), ("twice", False), ("device", None), ("dtype", "float32"))
    yield from (("shape", shape) for shape in ((1,), (2,), (3,), (2, 3)) if prod(shape) < prod(gradient.shape))
    yield from (("values", values) for values in _simpler_values(gradient.values))


@simpler.register
def _(case: StepCase) -> Iterator[StepCase]:
    for changes in _simpler_steps(case):
        candidate = case.but(**changes)
        if candidate != case:
            yield candidate


def _simpler_steps(case: StepCase) -> Iterator[dict[str, Any]]:
    yield from ({f.name: f.default} for f in fields(StepCase) if f.name in ("model", "optimizer", "kernels", "scale", "frozen"))
    yield from ({"groups": 1}, {"dtype": "float32"}, {"bound": 0.5}, {"device": "cpu"})
    yield from ({"sizes": case.sizes[:i] + case.sizes[i + 1 :]} for i in range(len(case.sizes)) if len(case.sizes) > 1)
    for place, size in enumerate(case.sizes):
        yield from ({"sizes": case.sizes[:place] + (n,) + case.sizes[place + 1 :]} for n in _smaller(size, 1))
    yield from ({"sizes": (n,) * len(case.sizes)} for n in (1, 2) if n < max(case.sizes))
    yield from ({"seed": n} for n in (0, 1, 2) if n < case.seed)


@simpler.register
def _(case: PairCase) -> Iterator[PairCase]:
    for changes in _simpler_pairs(case):
        candidate = case.but(**changes)
        if candidate != case:
            yield candidate


def _simpler_pairs(case: PairCase) -> Iterator[dict[str, Any]]:
    plain = ("small", "training", "grad", "dtype", "scale", "weights", "rows", "steps", "device")
    yield from ({f.name: f.default} for f in fields(PairCase) if f.name in plain)
    for name, size in (("rows", case.rows), ("steps", case.steps)):
        yield from ({name: n} for n in _smaller(size or 1, 1))
    yield from ({"seed": n} for n in (0, 1, 2) if n < case.seed)


def _smaller(size: int, least: int) -> list[int]:
    """The least, then ever smaller steps down: the half, three quarters, … one less."""
    return sorted({least, *(size - (size >> k) for k in range(1, size.bit_length()))} & set(range(least, size)))


def _with(lengths: tuple[int, ...], row: int, length: int) -> tuple[int, ...]:
    return lengths[:row] + (length,) + lengths[row + 1 :]


def _simpler_values(values: Values) -> Iterator[Values]:
    if values.overrides:
        yield replace(values, overrides=())
        yield replace(values, overrides=values.overrides[1:])
    if values.scale != 1.0:
        yield replace(values, scale=1.0)
    yield from (replace(values, pattern=pattern) for pattern in PATTERNS[: PATTERNS.index(values.pattern)])


def _change(case: Case, changes: dict[str, Any]) -> Case:
    """The change, and what it drags along: fewer steps or sequences make shorter and fewer lengths."""
    if case.lengths is not None and ("time" in changes or "batch" in changes):
        time, rows = changes.get("time", case.time), changes.get("batch", case.batch)
        if rows is None:
            changes = {**changes, "lengths": None}
        else:
            changes = {**changes, "lengths": tuple(min(n, time) for n in case.lengths[:rows])}
    if "hidden_size" in changes and case.config.proj_size >= changes["hidden_size"]:
        changes = {**changes, "proj_size": changes["hidden_size"] - 1}
    return case.but(**changes)
