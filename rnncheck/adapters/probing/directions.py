"""In which direction a typed recurrence reads sequences, by experiment: from their end, with some options, or in both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.subject import Subject


@dataclass(frozen=True)
class Directions:
    """How sequences are read.

    backward: names and values of options, each of which alone lets them be read from their end; a name of "" stands for always
    both: whether some features of the output are read from the end, and all others from the beginning
    """

    backward: tuple[tuple[str, Any], ...] = ()
    both: bool = False


def directions_of(start: Baseline) -> Directions:
    """Return how a typed recurrence reads sequences; a cache is carried forwards."""
    build = start.subject.build
    if not isinstance(build, TypedBuild) or build.roles.cache is not None:
        return Directions()
    usual = _seen(start, {})
    found: list[tuple[str, Any]] = []
    for name, (first, *others) in start.subject.choices.items():
        turning = [value for value in others if type(value) in (bool, str) and value != "left out"]
        turned = {value: _seen(start, {name: value}).backward for value in turning}
        if any(one != usual.backward for one in turned.values()):
            found += [(name, value) for value, one in {first: usual.backward, **turned}.items() if one]
    always = (("", True),) if usual.backward else ()
    return Directions(tuple(found) or always, usual.both)


def in_directions(subject: Subject, found: Directions) -> Subject:
    """Return the subject with sequences turned where it reads them from their end."""
    build = subject.build
    if not isinstance(build, TypedBuild):
        return subject
    build = build.turned(found.backward)
    words = build.roles.words() + ("; its outputs are of two directions" if found.both else "")
    nature = {**subject.nature, **({"sides": True} if found.both else {})}
    return replace(subject, build=build, source=build.source(), read_as=words, nature=nature)


def turned_as(reference: Subject, subject: Subject) -> Subject:
    """Return the reference with sequences turned as the subject's are, whatever it reads itself."""
    if not isinstance(subject.build, TypedBuild):
        return reference
    return in_directions(reference, Directions(subject.build.roles.backward))


@dataclass(frozen=True)
class _Seen:
    """What depends on what in one configuration."""

    backward: bool = False
    both: bool = False


def _seen(start: Baseline, options: Mapping[str, Any]) -> _Seen:
    named = start.case.config.named
    assert named is not None
    found, _ = attempt(lambda: _dependence(replace(start, case=start.case.but(named=named.but_options(**options)))))
    return found or _Seen()


def _dependence(start: Baseline) -> _Seen:
    """Change one step after another of the first sequence, and see which features move before it, and which behind it."""
    f, x = start.function()
    first = 0 if x.dim() == 3 else ...
    with torch.no_grad():
        before = f(x)[:, first]
        noise = torch.finfo(before.dtype).eps ** 0.5 * before.abs().max()  # a convolution by FFT spreads rounding over all steps
        moves = torch.stack([(f(_changed(x, step, first))[:, first] - before).abs() > noise for step in range(len(x))])
    steps = torch.ones(len(x), len(x), dtype=torch.bool)
    earlier, later = ((moves & where[..., None]).flatten(0, 1).any(0) for where in (steps.tril(-1), steps.triu(1)))
    both = bool(earlier.any() and later.any() and not (earlier & later).any())
    return _Seen(bool(earlier.any() and not later.any()), both)


def _changed(x: Tensor, step: int, first: Any) -> Tensor:
    other = x.clone()
    other[step, first] = other[step, first] * 0.5 + 0.3
    return other
