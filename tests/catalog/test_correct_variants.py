"""Correct layers that round otherwise: gate, time, direction, layer, batch and lengths have nothing against them."""

from itertools import islice

import pytest

from rnncheck.catalog import select
from rnncheck.judge import judge
from rnncheck.trial import Trial
from tests.catalog.support import planned, subject_of
from tests.mutants.correct import CORRECT

PROPERTIES = select("gate.*, time.*, direction.*, layer.*, batch.*, lengths.*")
LAYERS = [name for name, variant in CORRECT.items() if variant.kind == "layer"]


@pytest.mark.parametrize("name", LAYERS)
def test_a_correct_variant_is_clean(name):
    subject = subject_of(CORRECT[name])
    trials = [Trial(subject, case) for case in islice(planned(subject), 8)]
    judged = [(str(trial.case), judge(prop, trial)) for trial in trials for prop in PROPERTIES]
    assert [pair for pair in judged if pair[1].red] == []
    assert sum(outcome.status == "holds" for _, outcome in judged) > 60
