"""Correct layers that round otherwise: nothing is held against them but what torch itself does wrong inside them."""

from itertools import islice

import pytest
from torch import nn

from rnncheck.adapters.targets.known_deviations import KNOWN
from rnncheck.catalog import CATALOG, select
from rnncheck.core.deviation import Deviation
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import killed, planned, subject_of
from tests.mutants.correct import CORRECT

PROPERTIES = select("gate.*, time.*, direction.*, layer.*, batch.*, lengths.*, agree.vmap, gradient.forward_mode")
LAYERS = [name for name, variant in CORRECT.items() if variant.kind == "layer"]
DECLARED = {
    "loop-over-lstm-cell": [
        Deviation("agree.vmap", "vmap has no batching rule for aten::lstm_cell", issue="pytorch/pytorch#134606"),
    ],
    "logging-subclass": [
        known.deviation for known in KNOWN if known.of is nn.LSTM and known.deviation.property.startswith("reject.")
    ],
    "scripted-step": [
        Deviation("gradient.forward_mode", "TorchScript's optimised graph loses the tangent of an input that requires_grad"),
    ],
}  # fmt: skip
"""What torch does wrong inside a correct variant: it answers for it, but it is not its own."""


@pytest.mark.parametrize("name", LAYERS)
def test_a_correct_variant_is_clean(name):
    subject = subject_of(CORRECT[name])
    trials = [Trial(subject, case) for case in islice(planned(subject), 6)]
    judged = [(trial.case, judge(prop, trial)) for trial in trials for prop in PROPERTIES]
    assert [(str(case), outcome) for case, outcome in judged if outcome.red and not declared(name, case, outcome)] == []
    assert sum(outcome.status == "holds" for _, outcome in judged) > 40


def declared(name, case, outcome):
    return any(said.property == outcome.property and said.covers(case) for said in DECLARED.get(name, []))


SHOWN = {"loop-over-lstm-cell": "agree.vmap", "logging-subclass": "reject.hx_dtype"}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_declared_is_seen(name):
    found = killed(CATALOG[SHOWN[name]], subject_of(CORRECT[name]))
    assert found is not None and declared(name, *found)
