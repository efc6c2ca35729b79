"""No false alarm: right layers on which a property was red once hold to it, or it is not asked of them."""

import pytest

from tests.mutants.search import first_kill

from . import alarms
from .hunted import subject_of

RED_ONCE = {
    alarms.OptionsOfItsOwn: ("shape.output", "weights.flags", "time.prefill"),
    alarms.SumsOverAxisOne: ("batch.unbatched",),
    alarms.SkipRNN: ("gradient.*",),
    alarms.SkipByDetach: ("gradient.*",),
}
"""The layer, and what was red."""


@pytest.mark.parametrize(("layer", "properties"), RED_ONCE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_right_layer_is_not_red(layer, properties):
    kill = first_kill(subject_of(layer), 12, properties, strict=False)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_gradients_that_stop_are_no_estimates():
    assert first_kill(subject_of(alarms.DetachedState), 12, ("gradient.numerical",), strict=False) is not None
