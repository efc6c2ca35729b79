"""With which options a typed recurrence reads sequences from their end, by experiment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnncheck.adapters.probing.ground import Baseline, attempt
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.subject import Subject
from rnncheck.reading.calls.dependency import Dependency, dependency

Options = tuple[tuple[str, Any], ...]
"""Names and values of options, each of which alone is enough; a name of "" stands for always."""


def backward_options(start: Baseline) -> Options:
    """Return the options with which no output depends on an earlier step, and one on a later step."""
    build = start.subject.build
    if not isinstance(build, TypedBuild) or build.roles.cache is not None:
        return ()
    usual = _reads_backwards(start, {})
    found: list[tuple[str, Any]] = []
    for name, (first, *others) in start.subject.choices.items():
        turning = [value for value in others if type(value) in (bool, str) and value != "left out"]
        turned = {value: _reads_backwards(start, {name: value}) for value in turning}
        if any(one != usual for one in turned.values()):
            found += [(name, value) for value, one in {first: usual, **turned}.items() if one]
            found += [(name, value) for value in others if value not in turned and usual]
    return tuple(found) or ((("", True),) if usual else ())


def read_backwards(subject: Subject, options: Options) -> Subject:
    """Return the subject with sequences turned where it reads them from their end."""
    build = subject.build
    if not isinstance(build, TypedBuild):
        return subject
    build = build.turned(options)
    return replace(subject, build=build, source=build.source(), read_as=build.roles.words())


def turned_as(reference: Subject, subject: Subject) -> Subject:
    """Return the reference with sequences turned as the subject's are, whatever it reads itself."""
    return read_backwards(reference, subject.build.roles.backward) if isinstance(subject.build, TypedBuild) else reference


def _reads_backwards(start: Baseline, options: Mapping[str, Any]) -> bool:
    named = start.case.config.named
    assert named is not None
    depends, _ = attempt(lambda: _dependency(replace(start, case=start.case.but(named=named.but_options(**options)))))
    return depends is not None and depends.reverse == 1.0 and depends.forward < 1.0


def _dependency(start: Baseline) -> Dependency:
    """What depends on what in the first sequence."""
    f, x = start.function()

    def first(one: Tensor) -> Tensor:
        whole = torch.cat([one, x[:, 1:]], 1) if x.dim() == 3 else one[:, 0]
        output = f(whole)
        return output[:, :1] if x.dim() == 3 else output[:, None]

    with torch.no_grad():
        return dependency(first, x[:, :1] if x.dim() == 3 else x[:, None])
