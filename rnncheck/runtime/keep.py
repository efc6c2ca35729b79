"""A failing call of a running program, kept as a case file that ``rnncheck replay`` runs again by itself."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from rnncheck.adapters.probing.settle import as_read
from rnncheck.adapters.targets import resolve
from rnncheck.adapters.targets.locate import described
from rnncheck.campaign import store
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.values import Values
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, trial_of
from rnncheck.runtime.as_read import reading_of
from rnncheck.runtime.compare import Call, believed

PROPERTY = "agree.against"
SEEDS = 12


def kept(call: Call, cls: type, target: str, reference: Any, folder: Path) -> str:
    """Where a case of the class, which the command line calls ``target``, was kept, in words; or why it was not."""
    try:
        subject = resolve.subjects(cls, reference)[0]
    except UsageError as error:
        return f"; not kept: {error}"
    subject = believed(as_read(subject, reading_of(cls, reference)))
    failing = next((case for case in _like(call) if judge(CATALOG[PROPERTY], trial_of(subject, case)).red), None)
    if failing is None:
        return "; not kept: with generated values of this size it agrees, so it takes these very values"
    item = store.Stored(PROPERTY, target, "layer", failing, described(reference).name)
    try:
        return f"; kept: rnncheck replay {store.save(item, folder / 'failing')}"
    except OSError as error:
        return f"; not kept: {error}"


def _like(call: Call) -> Iterator[Case]:
    """Cases of the same configuration and shapes, with values as large as the call's."""
    plain = call.case.but(switches=(), training=False)
    weights = [p * p.shape[1] ** 0.5 for p in call.tensors.parameters.values() if p.dim() == 2]
    biases = [p for p in call.tensors.parameters.values() if p.dim() == 1]
    sizes = {"weights": _size(weights), "biases": _size(biases), "input": _size([call.tensors.x])}
    for seed in range(SEEDS):
        yield plain.but(seed=seed, **sizes)


def _size(tensors: list[Tensor]) -> Values:
    """Random values as large as these are in the mean."""
    elements = sum(tensor.numel() for tensor in tensors)
    total = sum(float(tensor.double().square().sum()) for tensor in tensors)
    return Values("normal", float(f"{(total / elements) ** 0.5:.2g}")) if elements and 0 < total < float("inf") else Values()


def target_of(cls: type) -> str:
    """How the command line names the class; a script that is run goes by its file."""
    main = sys.modules.get("__main__")
    if cls.__module__ == "__main__" and getattr(main, "__file__", None):
        return f"{os.path.relpath(str(getattr(main, '__file__', '')))}:{cls.__qualname__}"
    return f"{cls.__module__}:{cls.__qualname__}"
