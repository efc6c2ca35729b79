"""Which arguments of a typed recurrence say how many steps come before a call, by experiment: with them, pieces are the whole."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch

from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.subject import Subject

Results = tuple[torch.Tensor, ...]


def positions_of(start: Baseline) -> tuple[str, ...]:
    """Return the arguments that are positions: pieces are the whole with them, and are not without.

    Single arguments are tried first, and then all of them together.
    """
    build = start.subject.build
    if not isinstance(build, TypedBuild) or not build.roles.counts or (build.roles.finals is None and build.roles.cache is None):
        return ()
    whole, pieces = _results(start, 1), _results(start, 3)
    if whole is None or pieces is None or _same(pieces, whole):
        return ()
    names = tuple(name for name, _, _ in build.roles.counts)
    for told in dict.fromkeys([*((name,) for name in names), names]):
        subject = with_positions(start.subject, told)
        placed = replace(start, subject=subject, case=start.case.but(named=subject.named))
        whole, pieces = _results(placed, 1), _results(placed, 3, said=True)
        if whole is not None and pieces is not None and _same(pieces, whole):
            return told
    return ()


def with_positions(subject: Subject, names: Collection[str]) -> Subject:
    """Return the subject, of which these arguments say how many steps come before a call."""
    if not names or not isinstance(subject.build, TypedBuild):
        return subject
    build = subject.build.with_positions(names)
    nature = {**subject.nature, "positions": tuple(names)}
    return replace(subject, build=build, source=build.source(), read_as=build.roles.words(), nature=nature,
                   named=build.roles.named(), choices=build.roles.choices)  # fmt: skip


def _results(start: Baseline, pieces: int, said: bool = False) -> Results | None:
    """Return outputs and final states, in one call or in three.

    said: whether each call is given its position
    """
    found, _ = attempt(lambda: _in_pieces(start, pieces, said))
    return found  # type: ignore[no-any-return]


def _in_pieces(start: Baseline, pieces: int, said: bool) -> Results:
    unit = start.subject.steps
    _, called = attempt(lambda: start.run(dtype="float64"))
    found = start.run(dtype="float64" if called is None else "float32", time=4 * unit)
    x, hx = found.tensors()
    module: Any = found.layer.module  # type: ignore[attr-defined]
    x, hx = (x, hx) if x.dim() == 3 else (x[:, None], hx and tuple(part[:, None] for part in hx))
    state, cache = hx and hx[0], module.new_cache(x)
    outputs, final = list[torch.Tensor](), ()
    with torch.no_grad():
        for begin, end in [(0, 4 * unit)] if pieces == 1 else [(0, unit), (unit, 2 * unit), (2 * unit, 4 * unit)]:
            output, final, cache = module.with_cache(x[begin:end], state, cache, before=begin if said else None)
            state, outputs = final[0] if final else state, [*outputs, output]
    return torch.cat(outputs), *final


def _same(one: Results, other: Results) -> bool:
    """Whether they differ by what may be rounding."""
    noise = torch.finfo(other[0].dtype).eps ** 0.5
    return all(bool(((a - b).abs() <= noise * b.abs().max()).all()) for a, b in zip(one, other, strict=True) if b.numel())
