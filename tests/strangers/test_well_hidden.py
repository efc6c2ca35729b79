"""Mistakes that only one kind of check can see are found by it, and the right layer beside them is clean."""

import pytest

from rnncheck.repro import script
from tests.effort import some
from tests.run_script import raised_by

from . import well_hidden
from .hunted import kill_of, subject_of

GRU = "torch.nn.GRU"
PAIRS = (
    (well_hidden.GateByGateGRU, well_hidden.ResetsBeforeTheProduct, "agree.*,gate.*", GRU),
    (well_hidden.TransposedLSTM, well_hidden.OpensItInEachCall, "layout.no_mutation", None),
    (well_hidden.TransposedLSTM, well_hidden.OpensItByData, "mode.repeatable", None),
    (well_hidden.Peepholes, well_hidden.PeepholesAsPlainTensors, "weights.registered", None),
    (well_hidden.Stacked, well_hidden.StackedInAPythonList, "weights.registered", None),
    (well_hidden.Normalised, well_hidden.StatesBatchFirst, "shape.state", None),
    (well_hidden.Dropping, well_hidden.DropsInEval, "mode.dropout_of_one_layer", None),
    (well_hidden.InChunks, well_hidden.ForgetsAtEachChunk, "time.prefill", None),
    (well_hidden.CharGRU, well_hidden.GoesOnFromTheFirstLayer, "state.used", None),
)  # fmt: skip
"""A right layer, the mistake, the properties that see it, and the reference that it is to agree with."""


@pytest.mark.parametrize(("right", "wrong", "by", "reference"), some(PAIRS, 3), ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_is_found_by_what_looks_at_it(right, wrong, by, reference):
    kill = kill_of(subject_of(wrong, reference), by=by)
    assert kill is not None and kill.outcome.red
    assert kill_of(subject_of(right, reference), by=by) is None


def test_a_state_that_is_ignored_has_a_script():
    subject = subject_of(well_hidden.GoesOnFromTheFirstLayer)
    kill = kill_of(subject, by="state.used")
    text = script(subject, kill.prop, kill.case, kill.outcome)
    assert raised_by(text) is not None and "from rnncheck" not in text
    assert raised_by(text.replace("GoesOnFromTheFirstLayer", "CharGRU")) is None


def test_dropout_of_one_layer_is_not_looked_at_in_training():
    assert "what dropout does in training" in subject_of(well_hidden.Dropping).not_looked_at
    assert "what dropout does in training" not in subject_of(well_hidden.Stacked).not_looked_at
