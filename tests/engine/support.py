"""What the tests of the engines share: subjects that misbehave from input_size 4 on, a tiny catalog, three cases."""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import torch
from torch import nn

from rnncheck.adapters.torch_layers import torch_like, torch_nn
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import both, equal
from rnncheck.core.property import Condition, Property, anywhere
from rnncheck.core.subject import Subject
from rnncheck.engine import Done, Engine, Job, WorkerContext

SMALL, LARGE = Config("GRU", 2, 3), Config("GRU", 5, 3)
CASES = tuple(Case(config, 4, batch=2, hx="random", seed=1) for config in (SMALL, LARGE, SMALL.but(hidden_size=2)))
"""The subjects here misbehave on the second of them only."""


def shape(trial):
    return equal("output's shape", tuple(trial.run.output.shape), (trial.time, trial.batch, trial.config.output_size))


def again(trial):
    return both(trial.run_on(trial.layer), trial.run, 0.0)


def flags(trial):
    """torch's default dtype and random numbers at the start of a check, and Python's."""
    import random

    seen = equal("default dtype", torch.get_default_dtype(), torch.float32) & equal("first", round(random.random(), 4), 0.8444)
    return seen & equal("grad mode", torch.is_grad_enabled(), True)


def prop(check: Callable, applies: Condition = anywhere, cost: int = 1) -> Property:
    return Property(f"own.{check.__name__}", check.__name__, "", "", "invariant", applies, check, cost=cost)


CATALOG = {p.id: p for p in map(prop, (shape, again, flags))}
IDS = tuple(CATALOG)


def gru() -> Subject:
    return torch_nn("GRU")


def misbehaving(act: Callable[[], object]) -> Subject:
    """torch's GRU, which calls ``act`` in its forward if its input_size is at least 4."""

    class Wild(nn.GRU):
        def forward(self, input, hx=None):
            if self.input_size >= 4:
                act()
            return super().forward(input, hx)

    return torch_like(Wild, ("GRU",), getattr(act, "__name__", "wild"))


def claims_of(subject: Subject):
    return subject.claims


def workshop(*subjects: Subject, catalog=None) -> WorkerContext:
    return WorkerContext(subjects, CATALOG if catalog is None else catalog, claims_of)


def judging(index: int, subject: int, cases=CASES, ids=IDS, **more) -> Job:
    return Job(index, "judge", subject, tuple(cases), (tuple(ids),) * len(cases), **more)


def results(engine: Engine, jobs: Iterable[Job]) -> list[Done]:
    with closing(engine):
        return list(engine.run(jobs))


def told(done: Done) -> list[tuple[int, str, str]]:
    return [(place, outcome.property, outcome.status) for place, outcome in done.outcomes]


def at(done: Done, place: int) -> dict[str, tuple[str, str | None]]:
    """{property: (status, reason)} of the case at this place."""
    return {outcome.property: (outcome.status, outcome.reason) for p, outcome in done.outcomes if p == place}


def ended(pid: int, seconds: float = 30.0) -> bool:
    """Whether the process is gone, or only waits to be taken note of."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def children(pid: int | None = None) -> set[int]:
    """The processes that this one, or that of ``pid``, has made and that have not ended."""
    mine = pid or os.getpid()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == mine and state not in "ZX":
            found.add(int(folder.name))
    return found
