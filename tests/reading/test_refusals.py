"""A call that fails before it looks at a value is not tried with another one, and no way to call a layer is lost by that."""

from typing import Tuple  # noqa: UP035  TorchScript of an older torch knows no other

import pytest
import torch
from torch import nn

from rnncheck.reading.adapter.adapted import Adapted
from rnncheck.reading.calls import time_limit
from rnncheck.reading.calls.experiment import Sizes, Start, Unreadable
from rnncheck.reading.calls.refusals import Refusals, not_given
from rnncheck.reading.target import read_target
from tests.reading.public_layers import AttendedGRU, AttendedGRUForgets
from tests.strangers.hunted import kill_of, subject_of

SIZES, X = Sizes(4, 7), torch.zeros(3, 4, dtype=torch.float64)
STEP = {"input": "step", "batch_first": False, "lengths": None, "reset": None}
WRONG, RIGHT = torch.zeros(1, 3, 8, dtype=torch.float64), torch.zeros(3, 7, dtype=torch.float64)


@pytest.fixture
def calls(monkeypatch):
    """The calls of layers that are made."""
    made, result = [], Adapted.result
    monkeypatch.setattr(Adapted, "result", lambda self, *given: (made.append(self), result(self, *given))[1])
    return made


def test_what_is_refused_in_any_case_is_tried_once(calls):
    read_target(AttendedGRU)
    assert len(calls) < 6000


def refused(kind, how, start, other):
    """Why a call is known to fail after one with another state failed."""
    refusals = Refusals(kind(4, 7).double(), SIZES)
    refusals.learn(how, start, X)
    return refusals.reason(how, other)


def test_a_refusal_holds_for_what_was_not_looked_at_alone():
    score = {**STEP, "beside": [["att_score", "rows", "float", 0.5]]}
    other = {**STEP, "beside": [["att_score", "steps 1", "bool", 1.0]]}
    wrong, right = (Start((value,), ("hidden_output",)) for value in (WRONG, RIGHT))
    refusals = Refusals(AttendedGRU(4, 7).double(), SIZES)
    refusals.learn(score, wrong, X)
    assert "mat1 and mat2" in refusals.reason(other, wrong)
    assert refusals.reason(other, right) is None and refusals.reason(other) is None


class OfAnotherInput(AttendedGRU):
    """Fails before it looks at the state."""

    def forward(self, input, hidden_output, att_score):
        return super().forward(input[..., :2], hidden_output, att_score)


class AsksForTheKind(OfAnotherInput):
    """The same, of a state of one kind only."""

    def forward(self, input, hidden_output, att_score):
        if type(hidden_output) is not tuple:
            raise ValueError("a tuple, please")
        return super().forward(input, *hidden_output, att_score)


@pytest.mark.parametrize(("layer", "known"), [(OfAnotherInput, True), (AsksForTheKind, False), (AttendedGRU, False)])
def test_what_code_asks_without_a_look_is_no_refusal_in_any_case(layer, known):
    how = {**STEP, "beside": [["att_score", "rows", "float", 0.5]]}
    assert (refused(layer, how, Start((WRONG,), ("hidden_output",)), None) is not None) == known


@pytest.mark.parametrize("look", [
    lambda value: value + 1, lambda value: torch.ones(2) + value, lambda value: torch.cat([torch.ones(2), value]), len, list, bool,
    lambda value: isinstance(value, tuple), lambda value: value.shape, lambda value: value == 1, lambda value: value[0], str, float,
    lambda value: torch.nn.functional.linear(value, torch.ones(2, 2)), lambda value: setattr(value, "a", 1), hash, iter,
])  # fmt: skip
def test_every_look_is_seen(look):
    seen = []
    with pytest.raises(Exception):  # noqa: B017  whatever Python makes of it
        look(not_given("h", seen.append))
    assert set(seen) == {"h"}


class Compiled(torch.jit.ScriptModule):
    """A cell whose state has a type."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    @torch.jit.script_method
    def forward(self, input: torch.Tensor, state: Tuple[torch.Tensor, torch.Tensor]) -> Tuple[torch.Tensor, torch.Tensor]:  # noqa: UP006
        return self.cell(input, state)


def test_a_compiled_module_says_the_type_of_its_state():
    refusals = Refusals(Compiled(4, 7).double(), SIZES)
    assert refusals.reason(STEP, Start(([RIGHT],), ("state",))) == "state is a List[Tensor], but should be a Tuple[Tensor, Tensor]"
    assert refusals.reason(STEP, Start(((RIGHT, RIGHT),), ("state",))) is None
    assert read_target(Compiled).kind == "cell"


class KindOfState(nn.Module):
    """Takes a tuple only, and asks for its kind."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, input, state):
        if type(state) is not tuple:
            raise TypeError("a tuple, please")
        return self.cell(input, state)


class KindOfStateCut(KindOfState):
    """No gradient goes back through its cell."""

    def forward(self, input, state):
        return super().forward(input, (state[0], state[1].detach()))


def test_a_layer_that_asks_for_kinds_is_read_and_judged():
    assert read_target(KindOfState).pair
    assert kill_of(subject_of(KindOfState), cases=4) is None
    assert kill_of(subject_of(KindOfStateCut), cases=8) is not None


def test_what_was_not_tried_when_the_time_is_over_is_said(monkeypatch):
    monkeypatch.setattr(time_limit, "SECONDS", 0.0)
    with pytest.raises(Unreadable, match="not tried were further ones with the input as .*step.*: say with --read input"):
        read_target(AttendedGRUForgets)


class AsksForAnotherOption(nn.Module):
    """Takes a state of two tensors, and then calls what does not exist: most other ways to call it fail before that."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, x, state):
        h, c = state
        return self.cell(x, (h, c), in_chunks_of=2)


def test_the_reason_is_that_of_the_call_that_got_furthest():
    with pytest.raises(Unreadable, match="in_chunks_of"):
        read_target(AsksForAnotherOption)


class OneStepAlone(nn.Module):
    """It gives its LSTM a sequence of one step, and keeps nothing."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm, self.value = nn.LSTM(input_size, hidden_size, batch_first=True), nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.value(self.lstm(x.unsqueeze(1))[0][:, -1])


class LastRow(nn.Module):
    """It takes the last row of a batch for the last step."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm, self.mean = nn.LSTM(input_size, hidden_size, batch_first=True), nn.Linear(hidden_size, 2)

    def forward(self, x):
        return self.mean(self.lstm(x)[0][-1])


@pytest.mark.parametrize(("layer", "why"), [
    (OneStepAlone, "a call is one step, and no state goes in and comes back"),
    (LastRow, "the axes of time and batch are exchanged"),
])  # fmt: skip
def test_what_does_not_recur_is_refused_as_such(layer, why):
    with pytest.raises(Unreadable, match=why) as refusal:
        read_target(layer)
    assert refusal.value.built
