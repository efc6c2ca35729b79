"""A mistake in a hand-written layer has a script of its own, which fails alone and passes with the right layer.

The few calls in the terminal's report are those of the layer itself, and give the number that stands beside them.

By day for some mistakes, for all of them in ``tox -e nightly``.
"""

import pytest
import torch

from rnncheck.backend.torch_state import preserved
from rnncheck.errors import UsageError
from rnncheck.judging.judge import judge, trial_of
from rnncheck.repro import script
from rnncheck.repro.brief import brief_calls
from tests.effort import NIGHTLY
from tests.mutants.search import smallest
from tests.run_script import raised_by
from tests.strangers.hunted import asked, kill_of
from tests.strangers.table import STRANGERS

BY_DAY = ("CatLSTM1", "StateFirstGRU2", "KerasLSTM2", "DynamicRNN1", "ListOfStates1", "KeywordOnly2", "EpisodeGRU2", "LSTMP1",
          "ScalarLSTM2")  # fmt: skip
"""One matrix, exchanged arguments, several results, lengths, a state for each layer, one by keyword alone, one that is kept, one
that comes back as it went in, and one of the step before."""
SHOWN = ("CatLSTM1", "StateFirstGRU2", "KerasLSTM2")
"""Those whose calls fit into a few lines."""
READ_OTHERWISE = {
    "BackwardRNN1": "outputs in the order in which the steps are taken do not show that it begins with the last one",
    "CellFirstLSTM1": "it takes (h, c) and returns (c, h), and what it takes tells the order",
    "FloatMaskGRU2": "a mask that is never read does not show whether it is to be numbers or flags",
    "KerasGRU2": "a gate with another gate's weights is a sound recurrence: its parameters fit no arrangement",
    "QRNN2": "rows are mixed along both axes, so that no call shows which of them is time",
    "TokenShift1": "each output is of this step and the next one, as of a layer that begins with the last step",
    "WithGates1": "a sound recurrence of other equations: its parameters are taken in torch's order",
    "X2HLSTM1": "it takes (c, h) and returns (h, c), and what it takes tells the order",
}
"""With these a layer is read, or its script made, otherwise than with the right one, and why: that one cannot pass there."""
OVERWRITES = "LazyGRU2"
"""A later call writes into its results, and a script compares them as they came back: other properties tell it with a script."""
OWN_PARAMETERS = "time.prefill"
"""What was seen rests on the parameters that the layer begins with, which another class draws otherwise."""
ALL = [(stranger, mistake) for stranger in STRANGERS for mistake in stranger.mistakes]
CHOSEN = [pair for pair in ALL if NIGHTLY or pair[1].layer.__name__ in BY_DAY]


def assert_shown(calls, layer):
    *lines, last = calls.splitlines()
    expression, told = last.split("  # ")
    around = {"torch": torch, layer.__name__: layer}
    exec("\n".join(lines), around)
    assert eval(expression, around).item() == pytest.approx(float(told.split(",")[0]), rel=1e-4)


@pytest.mark.parametrize(("stranger", "mistake"), CHOSEN, ids=lambda one: getattr(one, "says", ""))
def test_the_script_fails_and_passes_with_the_right_layer(stranger, mistake):
    try:
        subject = asked(stranger, mistake)
    except UsageError:
        pytest.skip("it is refused")
    with preserved():
        kill = kill_of(subject)
        if kill is None:
            pytest.skip("it is told, and not red: tests/strangers/test_mistakes.py")
        case = smallest(subject, kill)
        outcome = judge(kill.prop, trial_of(subject, case))
        text = script(subject, kill.prop, case, outcome)
        calls = brief_calls(subject, kill.prop, case)
    if mistake.layer.__name__ == OVERWRITES:
        assert text is None
        return
    assert_shown(calls, mistake.layer) if mistake.layer.__name__ in SHOWN else None
    assert text is not None and "from rnncheck" not in text
    target, right = subject.build.target, stranger.layer
    assert raised_by(text) is not None
    if mistake.layer.__name__ not in READ_OTHERWISE and (subject.offers("load") or kill.prop.id != OWN_PARAMETERS):
        mended = text.replace(target.expression, f"{right.__module__}.{right.__name__}")
        assert raised_by(f"import {right.__module__}\n{mended}") is None
