"""state.*: what each property catches, and what it lets through."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.catalog.support import complaints, killed, outcomes, subject_of
from tests.effort import some
from tests.mutants import MUTANTS
from tests.strangers import called_otherwise, inner_norms, stateful
from tests.strangers.hunted import subject_of as read_subject

KILLS = {
    "state.default_is_zero": "own-hidden-bias-skipped-without-hx",
    "state.is_last_output": "final-state-at-padded-end",
    "state.moves": "own-given-state-returned",
    "state.used": "own-upper-layers-share-state",
    "state.fresh": "own-states-in-reused-buffer",
    "state.one_tensor": "own-one-tensor-for-both-states",
}
RAISES = {"zero-state-ignores-directions"}
MORE = [
    ("state.default_is_zero", "zero-state-ignores-directions"),
    ("state.default_is_zero", "reset-noop-for-bidir"),
    ("state.is_last_output", "hn-direction-major"),
    ("state.is_last_output", "rev-output-not-flipped-back"),
    ("state.used", "own-initial-cell-of-reverse-ignored"),
    ("state.used", "own-unbatched-ignores-hx"),
    ("state.used", "state-computed-never-used"),
    ("state.fresh", "own-default-state-shared"),
]


def test_what_a_state_moved_is_named():
    _, outcome = killed(CATALOG["state.used"], subject_of(MUTANTS["own-upper-layers-share-state"]))
    assert "moved by h_0 of layer" in outcome.mismatches[0]


KILLS_OF_KEPT = {"state.kept": "BufferedGRU2", "state.forgets": "StatefulLSTM1", "state.cut": "StatefulLSTM"}
STATEFUL = vars(stateful) | vars(called_otherwise)


@pytest.mark.parametrize("mistake", ["BufferedGRU2", "StatefulLSTM2", "KeptState2"])
def test_a_state_that_does_not_go_on_is_found(mistake):
    _, outcome = killed(CATALOG["state.kept"], claimed(STATEFUL[mistake]), 8)
    assert outcome.status == "fails" and "in calls that go on" in outcome.mismatches[0]


@pytest.mark.parametrize("prop", some(["state.kept", "state.forgets"], 2))
@pytest.mark.parametrize("right", ["BufferedGRU", "StatefulLSTM", "KeptState"])
def test_a_state_that_goes_on_until_it_is_reset_is_clean(right, prop):
    subject = claimed(STATEFUL[right])
    assert complaints(CATALOG[prop], subject, 6) == []
    resets = prop == "state.kept" or right != "KeptState"
    assert resets == ("holds" in {outcome.status for _, outcome in outcomes(CATALOG[prop], subject, 6)})


@pytest.mark.parametrize("mistake", ["StatefulLSTM1", "BufferedGRU1"])
def test_a_reset_that_does_not_make_the_layer_forget_is_found(mistake):
    _, outcome = killed(CATALOG["state.forgets"], claimed(STATEFUL[mistake]), 8)
    assert outcome.status == "fails" and "after another call and reset" in outcome.mismatches[0]


class NeverGoesOn(stateful.StatefulLSTM):
    """Stores its state, has a method to reset it, and begins every call from zeros."""

    def forward(self, x):
        states = x.new_zeros(2, x.shape[1], self.cell.hidden_size).unbind()
        outputs = []
        for step in x:
            states = self.cell(step, states)
            outputs.append(states[0])
        self.h, self.c = states
        return stateful.torch.stack(outputs)


class BeginsEachCallItself(NeverGoesOn):
    """Resets its state as a call begins, and stores it to be looked at."""

    def forward(self, x):
        self.reset_state()
        return super().forward(x)


def test_a_state_that_is_stored_and_never_read_is_found_unless_a_call_resets_it():
    _, outcome = killed(CATALOG["state.kept"], claimed(NeverGoesOn), 8)
    assert outcome.status == "fails" and "in calls that go on" in outcome.mismatches[0]
    assert complaints(CATALOG["state.kept"], claimed(BeginsEachCallItself), 6) == []


class KeepsItsFirstStep(stateful.StatefulLSTM):
    """Stores the state of the first step of a call, not that of the last."""

    def forward(self, x):
        first = super().forward(x[:1])
        kept = self.h, self.c
        rest = super().forward(x[1:]) if len(x) > 1 else x.new_zeros(0, *first.shape[1:])
        self.h, self.c = kept
        return stateful.torch.cat([first, rest])


def test_a_state_of_another_step_than_the_last_is_found():
    _, outcome = killed(CATALOG["state.kept"], claimed(KeepsItsFirstStep), 8)
    assert outcome.status == "fails" and "in calls that go on" in outcome.mismatches[0]


class KeepsItsFirstCall(stateful.StatefulLSTM):
    """The state of a first call is what every later one begins with."""

    def forward(self, x):
        before = self.h, self.c
        output = super().forward(x)
        if before[0] is not None:
            self.h, self.c = before
        return output


def test_each_case_shows_a_state_that_the_second_call_does_not_replace():
    found = [outcome.status for _, outcome in outcomes(CATALOG["state.kept"], claimed(KeepsItsFirstCall), 6)]
    assert "fails" in found and "holds" not in found


class Detached(stateful.StatefulLSTM):
    """Cuts the state that it keeps from the graph of the call."""

    def forward(self, x):
        output = super().forward(x)
        self.h, self.c = self.h.detach(), self.c.detach()
        return output


def test_a_kept_state_that_is_not_detached_is_warned_of():
    prop = CATALOG["state.cut"]
    _, outcome = killed(prop, claimed(stateful.StatefulLSTM), 4)
    assert "a second time" in outcome.mismatches[0] and prop.warns_of(outcome.mismatches)
    assert {outcome.status for _, outcome in outcomes(prop, claimed(Detached), 4)} == {"holds"}
    assert list(outcomes(prop, claimed(stateful.nn.GRU), 1)) == []


def test_of_a_layer_that_keeps_nothing_or_changes_no_later_call_nothing_is_said():
    for layer in (STATEFUL["KeptState1"], stateful.nn.GRU):
        assert list(outcomes(CATALOG["state.kept"], claimed(layer), 1)) == []


def test_a_layer_that_writes_into_its_input_is_not_told_that_one_tensor_differs_from_two():
    subject = read_subject(inner_norms.ResidualLSTM1)
    trial = trial_of(subject, Case(Config("LSTM", 4, 4), 3, 2, hx="random"))
    assert judge(CATALOG["layout.no_mutation"], trial).status == "fails"
    assert judge(CATALOG["state.one_tensor"], trial).status == "holds"
