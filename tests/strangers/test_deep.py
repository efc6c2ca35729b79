"""Properties that a short run does not reach, on layers of the table that were red there once."""

import pytest

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from tests.mutants.search import first_kill

from .containers import NamedStateLSTM
from .hunted import subject_of

ONCE_RED = [(NamedStateLSTM, "weights.parametrize", "LSTM")]


@pytest.mark.parametrize(("layer", "prop", "mode"), ONCE_RED, ids=lambda value: getattr(value, "__name__", value))
def test_a_right_layer_holds(layer, prop, mode):
    subject = subject_of(layer)
    assert subject.refuses(Case(Config(mode, 5, 3), 4, 2, dtype="float64")) is None
    assert first_kill(subject, 6, (prop,), strict=False) is None
