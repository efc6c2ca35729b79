"""What the tests of bundles share: a few recorded cases, and a subject with something wrong with it."""

from itertools import islice

from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.bundle import Bundle
from rnncheck.bundle.record import recording, with_switches, without_chance
from rnncheck.core.subject import Subject
from rnncheck.strategies.plan import plan
from tests.catalog.support import subject_of
from tests.effort import at_night
from tests.mutants import MUTANTS

DTYPES = ("float32", "float64", "bfloat16", "float16")
COUNT = at_night(12, 6)


def cases_of(subject: Subject, count: int = COUNT, switches=None):
    planned = islice(plan(subject, DTYPES, 2, 0), count)
    return list(with_switches((without_chance(subject, case) for case in planned), switches))


def recorded(subject: Subject, count: int = COUNT, switches=None) -> Bundle:
    return recording(subject, "cpu", 0, cases_of(subject, count, switches))


def torchs(mode: str = "LSTM") -> Subject:
    return torch_nn(mode)


def mutant(bug: str) -> Subject:
    return subject_of(MUTANTS[bug])


def verdicts(report):
    return {verdict.property: verdict for _, verdict in report.verdicts()}
