"""Which option of a typed recurrence says how many steps come before a call, by experiment: with it, pieces are the whole."""

from dataclasses import replace
from typing import Any

import torch

from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.subject import Subject

Results = tuple[torch.Tensor, ...]


def position_of(start: Baseline) -> str:
    """Return the option that is a position, "" where none is: with its default in each piece, pieces are not the whole, and with
    the number of steps before each piece they are.
    """
    build = start.subject.build
    if not isinstance(build, TypedBuild) or build.roles.cache is not None or build.roles.finals is None or not build.roles.numbers:
        return ""
    whole, _ = attempt(lambda: _results(start, 1))
    pieces, _ = attempt(lambda: _results(start, 3))
    if whole is None or pieces is None or _same(pieces, whole):
        return ""
    for name, _ in build.roles.numbers:
        told = replace(start, subject=replace(start.subject, build=build.with_position(name)))
        one, pieces = (attempt(lambda: _results(told, count))[0] for count in (1, 3))  # noqa: B023
        if one is not None and pieces is not None and _same(one, whole) and _same(pieces, whole):
            return name
    return ""


def with_position(subject: Subject, name: str) -> Subject:
    """Return the subject, of which this option says how many steps come before a call; "" stands for none."""
    if not name or not isinstance(subject.build, TypedBuild):
        return subject
    build = subject.build.with_position(name)
    nature = {**subject.nature, "position": name}
    return replace(subject, build=build, source=build.source(), read_as=build.roles.words(), nature=nature)


def _results(start: Baseline, pieces: int) -> Results:
    """Outputs and final states of as many steps as all of these pieces have, of which the last one has two of the others."""
    unit = start.subject.steps
    _, called = attempt(lambda: start.run(dtype="float64"))
    found = start.run(dtype="float64" if called is None else "float32", time=4 * unit)
    x, hx = found.tensors()
    module: Any = found.layer.module  # type: ignore[attr-defined]
    x, hx = (x, hx) if x.dim() == 3 else (x[:, None], hx and tuple(part[:, None] for part in hx))
    state, cache = hx and hx[0], None if module.roles["cache"] is None else module.new_cache(x)
    outputs = list[torch.Tensor]()
    with torch.no_grad():
        for begin, end in [(0, 4 * unit)] if pieces == 1 else [(0, unit), (unit, 2 * unit), (2 * unit, 4 * unit)]:
            output, (final,), cache = module.with_cache(x[begin:end], state, cache)
            state, outputs = final, [*outputs, output]
    return torch.cat(outputs), final


def _same(one: Results, other: Results) -> bool:
    """Whether they differ by what may be rounding."""
    noise = torch.finfo(other[0].dtype).eps ** 0.5
    return all(bool(((a - b).abs() <= noise * b.abs().max()).all()) for a, b in zip(one, other, strict=True) if b.numel())
