"""A layer that is torch's but for one change is read so: the change is named, and gates are not reordered to hide it."""

import pytest
import torch
from torch import nn

from rnncheck.adapters.probing.probe import read_subject
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.explain import explain
from rnncheck.judging.judge import judge
from rnncheck.reading.calls import time_limit
from rnncheck.reading.parameters import arrangement
from rnncheck.reading.parameters.arrangement import arrangements, best_arrangement
from rnncheck.running.trial import Trial
from tests.effort import only_nightly
from tests.strangers.hunted import subject_of


class OneMatrixLSTM(nn.Module):
    """Outputs alone, (batch, time, features), one matrix for all gates."""

    order, candidate = "ifgo", staticmethod(torch.tanh)

    def __init__(self, n_in, n_units):
        super().__init__()
        self.n_units = n_units
        self.lin = nn.Linear(n_in + n_units, 4 * n_units)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], self.n_units)
        outputs = []
        for t in range(x.shape[1]):
            gate = dict(zip(self.order, self.lin(torch.cat([x[:, t], h], 1)).chunk(4, 1), strict=True))
            c = torch.sigmoid(gate["f"]) * c + torch.sigmoid(gate["i"]) * self.candidate(gate["g"])
            h = torch.sigmoid(gate["o"]) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1)


class SigmoidCandidate(OneMatrixLSTM):
    candidate = staticmethod(torch.sigmoid)


class SigmoidCandidateOtherwise(SigmoidCandidate):
    order = "fiog"


class SquaredCandidate(OneMatrixLSTM):
    candidate = staticmethod(torch.square)


class MixesRows(OneMatrixLSTM):
    def forward(self, x):
        return super().forward(x - x.mean(0, keepdim=True))


def nearly(layer):
    return read_subject(subject_of(layer)).nearly


@pytest.mark.parametrize("layer", [nn.GRU(3, 4), nn.LSTM(3, 4), OneMatrixLSTM(3, 4)])
def test_each_way_to_hold_the_parameters_is_tried_once(layer):
    own = {name: parameter.detach() for name, parameter in layer.named_parameters()}
    mode = "GRU" if isinstance(layer, nn.GRU) else "LSTM"
    found = [(pieces, reset_after) for pieces, _, reset_after, _ in arrangements(own, mode, (3, 4))]
    assert len(found) > 10 and len(found) == len(set(found))


def test_a_right_layer_needs_no_change():
    assert nearly(OneMatrixLSTM) is None


@pytest.mark.parametrize("layer", [SigmoidCandidate, SigmoidCandidateOtherwise])
def test_one_change_is_named(layer):
    assert nearly(layer) == "torch.nn.LSTM, except that the tanh of the candidate is a sigmoid"


class OfTheCellBefore(nn.Module):
    """An LSTM that updates h in front of c."""

    def __init__(self, n_in, n_units):
        super().__init__()
        self.x, self.h = nn.Linear(n_in, 4 * n_units), nn.Linear(n_units, 4 * n_units)

    def forward(self, x, state=None):
        h, c = state or [x.new_zeros(x.shape[1], self.h.in_features)] * 2
        outputs = []
        for step in x:
            i, f, g, o = (self.x(step) + self.h(h)).chunk(4, -1)
            h, c = self.updated(*torch.stack([i, f, o]).sigmoid(), g.tanh(), c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)

    def updated(self, i, f, o, g, c):
        return o * c.tanh(), f * c + i * g


class WithoutInputGate(OfTheCellBefore):
    def updated(self, i, f, o, g, c):
        c = f * c + g
        return o * c.tanh(), c


class WithoutOutputGate(OfTheCellBefore):
    def updated(self, i, f, o, g, c):
        c = f * c + i * g
        return c.tanh(), c


class InputGateTwice(OfTheCellBefore):
    def updated(self, i, f, o, g, c):
        c = f * c + i * g
        return i * c.tanh(), c


class WholeCandidate(nn.Module):
    """A GRU that forgets 1 - z."""

    def __init__(self, n_in, n_units):
        super().__init__()
        self.z, self.r, self.n = (nn.Linear(n_in + n_units, n_units) for _ in range(3))

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.n.out_features) if h is None else h, []
        for step in x:
            z, r = (gate(torch.cat([step, h], -1)).sigmoid() for gate in (self.z, self.r))
            h = self.updated(z, self.n(torch.cat([step, r * h], -1)).tanh(), h)
            outputs.append(h)
        return torch.stack(outputs), h

    def updated(self, z, n, h):
        return n + z * h


class CandidateByZ(WholeCandidate):
    def updated(self, z, n, h):
        return z * n + z * h


class WholeStateBefore(WholeCandidate):
    def updated(self, z, n, h):
        return (1 - z) * n + h


@pytest.mark.parametrize(("layer", "mistake"), [
    (OfTheCellBefore, "h is computed from the cell state before the step"), (WithoutInputGate, "the input gate is left out"),
    (WithoutOutputGate, "the output gate is left out"), (WholeCandidate, "the candidate is not multiplied by 1 - z"),
    (WholeStateBefore, "the state before is not multiplied by z"), (CandidateByZ, "the candidate is multiplied by z"),
    (InputGateTwice, "gate i stands in place of gate o"),
])  # fmt: skip
def test_a_line_that_is_wrong_is_named(layer, mistake):
    assert nearly(layer).endswith(f", except that {mistake}")


@only_nightly
def test_a_change_that_nobody_knows_is_not_named():
    assert nearly(SquaredCandidate) is None


@pytest.mark.parametrize("layer", [SigmoidCandidate, SigmoidCandidateOtherwise])
def test_beside_the_reference_the_gates_are_found_and_the_mistake_is_the_diagnosis(layer):
    """No state comes back from these layers, so that only their outputs tell."""
    subject = subject_of(layer, "torch.nn.LSTM")
    assert subject.build.reading.arrangement.gates == layer.order
    trial = Trial(subject, Case(Config("LSTM", 2, 3, batch_first=True), 3, 2, hx="none"))
    outcome = judge(CATALOG["agree.forward"], trial)
    told = explain(CATALOG["agree.forward"], trial, outcome)
    assert (outcome.status, told.unexplained) == ("fails", None)
    assert told.diagnosis == "agrees with torch.nn.LSTM if the tanh of the candidate is a sigmoid"
    assert told.location is not None and told.location.startswith("time 0, layer 0")


def test_gates_are_taken_in_torchs_order_where_no_order_fits():
    assert subject_of(MixesRows, "torch.nn.LSTM").build.reading.arrangement.gates == "ifgo"


def test_the_search_for_an_arrangement_ends_with_the_time_for_a_reading(monkeypatch):
    module, x = OneMatrixLSTM(4, 7).double(), torch.randn(5, 3, 4, dtype=torch.float64)

    def run(x):
        return module(x.transpose(0, 1)).transpose(0, 1).detach()

    def found():
        with time_limit.limited():
            return best_arrangement(module, run, Config("LSTM", 4, 7), x, ("LSTM",))

    assert found().gates == "ifgo"
    monkeypatch.setattr(time_limit, "SECONDS", 0.0)
    assert found() is None


def test_so_does_the_search_for_one_change(monkeypatch):
    """Here the time is over once all arrangements have been compared."""
    module, x, over = SigmoidCandidate(4, 7).double(), torch.randn(5, 3, 4, dtype=torch.float64), []

    def run(x):
        return module(x.transpose(0, 1)).transpose(0, 1).detach()

    def then_over(*given, search=arrangement._with_one_change):
        over.append(True)
        return search(*given)

    assert best_arrangement(module, run, Config("LSTM", 4, 7), x, ("LSTM",)).change is not None
    monkeypatch.setattr(arrangement, "is_over", lambda: bool(over))
    monkeypatch.setattr(arrangement, "_with_one_change", then_over)
    assert best_arrangement(module, run, Config("LSTM", 4, 7), x, ("LSTM",)).change is None
