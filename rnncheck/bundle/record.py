"""Recording: a subject on the cases of its plan, on one device, and where that was."""

import platform
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any

import torch
from torch import Tensor

from rnncheck.backend import own_functions
from rnncheck.backend.devices import asked_for
from rnncheck.backend.environment import environment
from rnncheck.backend.switches import switched
from rnncheck.backend.torch_state import flags, preserved
from rnncheck.bundle.content import Bundle, Measured, Recorded, cotangents
from rnncheck.campaign import importing
from rnncheck.campaign.options import shard_of
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.settings import Shard
from rnncheck.core.bounds import whole
from rnncheck.core.case import DTYPES, Case, Switch
from rnncheck.core.plain_text import LONGEST, one_line, quoted
from rnncheck.core.run import Run
from rnncheck.core.subject import Malformed, Subject
from rnncheck.errors import UsageError
from rnncheck.running.same_start import numbers_of
from rnncheck.running.trial import SubjectError, Trial, seeded
from rnncheck.strategies.plan import plan

CASES = 40
STRENGTH = 2
MOST = 5_000
"""Numbers among a case's gradients: with more, a few cases would make up the whole file."""


@own_functions.kept()
def record(
    target: Any,
    *,
    device: str = "cpu",
    kind: str | None = None,
    typed: Any = None,
    time: str | None = None,
    dtypes: Sequence[str] | None = None,
    max_examples: int = CASES,
    seed: int = 0,
    switches: Sequence[Switch] | None = None,
    shard: str | None = None,
) -> Bundle:
    """Run ``target`` on ``device``, on the first ``max_examples`` cases of its plan, without dropout in training.

    switches: the backend switches that every case is run with, instead of its own
    typed, time: a stub that gives types to a target without any, and what its axis of time is called, as in ``rnncheck.verify``
    shard:    "2/5" for the second of five parts of the cases; ``rnncheck merge`` joins the bundles of all parts

    Raises UsageError where the target or an option cannot be used. What the subject raises is recorded.
    """
    whole("seed", seed)
    whole("max_examples", max_examples)
    part = shard_of(shard) if shard is not None else Shard(1, 1)
    subject, where = one_layer(target, kind, typed, time), one_device(device)
    planned = (without_chance(subject, case) for case in plan(subject, tuple(dtypes or DTYPES), STRENGTH, seed, where))
    chosen = islice((case for case in planned if subject.fixed is not None or numbers(case) <= MOST), max_examples)
    own = (case for place, case in enumerate(chosen) if part.takes(place))
    bundle = recording(subject, where, seed, with_switches(own, switches))
    if not bundle.recorded:
        raise UsageError(f"shard = {shard}, but there are fewer cases: at most one part for each of {max_examples}")
    return bundle if shard is None else replace(bundle, environment={**bundle.environment, "shard": f"{part.index}/{part.of}"})


@own_functions.kept()
def one_layer(target: Any, kind: str | None = None, typed: Any = None, time: str | None = None) -> Subject:
    """The one subject that ``target`` names, probed; raises UsageError unless its parameters can be set, or it is typed."""
    (subject,) = probe_all(importing.subjects(target, None, kind, typed, time), "processes", 1)
    if subject.kind != "layer":
        raise UsageError(f"{subject.name}: is a clip function, but a bundle is of a recurrent layer")
    if not subject.offers("load") and subject.named is None:
        why = f"no other machine could build its cases again, since {subject.lacks(('load',))}"
        raise UsageError(f"{subject.name}: a bundle is of a layer with torch's equations, or of a typed recurrence; {why}")
    return subject


def one_device(words: str) -> str:
    """The one device that is named; raises UsageError on several."""
    devices = asked_for(words)
    if words == "all" or len(devices) != 1:
        raise UsageError(f"device = {quoted(words)}, but should be one, such as cpu or cuda:1")
    return devices[0]


def without_chance(subject: Subject, case: Case) -> Case:
    """The case without dropout if it is active, an instance's in eval(): what is random cannot be compared."""
    if not case.dropout_active:
        return case
    return case.but(dropout=0.0) if subject.fixed is None else case.but(training=False)


def numbers(case: Case) -> int:
    """How many are recorded: output and states, in train() the gradients of input and parameters too."""
    config, rows = case.config, case.rows
    states = config.num_layers * config.directions * sum(config.state_sizes.values())
    results = rows * (case.time * config.output_size + states)
    weights = sum(map(prod, config.parameter_shapes().values()))
    return results + case.training * (case.time * rows * config.input_size + weights)


def with_switches(cases: Iterable[Case], switches: Sequence[Switch] | None) -> Iterator[Case]:
    """The cases with these switches instead of their own; as they are if there are none to set."""
    return (case if switches is None else case.but(switches=tuple(switches)) for case in cases)


def recording(subject: Subject, device: str, seed: int, cases: Iterable[Case]) -> Bundle:
    """A bundle of these cases, each run by a new layer."""
    recorded = tuple(one_case(subject, case) for case in cases)
    return Bundle(subject.name, subject.modes, seed, environment() | _place(device), recorded)


def one_case(subject: Subject, case: Case) -> Recorded:
    """What came of one case."""
    with preserved(), warnings.catch_warnings(), switched(case.switches, case.device), seeded(case.seed, case.device):
        warnings.simplefilter("ignore")
        try:
            trial = Trial(subject, case)
            weights = cotangents(case, trial.run)
            gradients = trial.gradients(weights) if case.training else {}
            measured = None if subject.named is None else _measured(trial, weights)
        except (SubjectError, Malformed) as error:
            return Recorded(case, error=one_line(error, LONGEST))
    run = trial.run.map(lambda part: part.detach().cpu())
    return Recorded(case, run, {name: None if g is None else g.detach().cpu() for name, g in gradients.items()}, measured=measured)


def _measured(trial: Trial, weights: Run) -> Measured:
    """What no equations say of a typed recurrence."""
    numbers = {name: number.cpu() for name, number in numbers_of(trial.build()).items()}
    allowed = trial.gradient_budget(weights).allowed if trial.case.training else {}
    return Measured(numbers, trial.budget.allowed.map(Tensor.cpu), {name: part.cpu() for name, part in allowed.items()})


def _place(device: str) -> dict[str, Any]:
    """Which device it was, its driver, and torch's flags around the cases' own switches."""
    kind, _, index = device.partition(":")
    on_cuda = kind == "cuda" and torch.cuda.is_available()
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(int(index or 0)) if on_cuda else platform.machine(),
        "capability": list(torch.cuda.get_device_capability(int(index or 0))) if on_cuda else None,
        "driver": torch._C._cuda_getDriverVersion() if on_cuda else None,  # type: ignore[attr-defined]  # no public name
        "flags": {name: value if isinstance(value, bool | int) else str(value) for name, value in flags().items()},
    }
