"""agrees_with and watch see layers that are written by hand, as verify reads them."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck.campaign.replay import replay
from rnncheck.runtime.contracts import ContractWarning
from tests.strangers import gate_by_gate, one_matrix, separate_states, transposed
from tests.strangers.containers import LSTMState, NamedStateLSTM, NamedStateLSTM2

X = torch.linspace(-2, 2, 45).reshape(5, 3, 3)
H, C = torch.linspace(-1, 1, 12).reshape(3, 4), torch.linspace(1, -2, 12).reshape(3, 4)
WIDE = torch.linspace(-1, 1, 20).reshape(5, 4)


def called(layer, reference, *sizes, folder=None):
    return rnncheck.agrees_with(reference, sample=1.0, folder=folder)(layer(*sizes))


@pytest.mark.parametrize(("layer", "reference", "call"), [
    (gate_by_gate.BlogLSTM, nn.LSTM, lambda m: m(X)),
    (gate_by_gate.X2HGRU, nn.GRU, lambda m: m(X, WIDE)),
    (one_matrix.CatLSTM, nn.LSTM, lambda m: m(X)),
    (one_matrix.OldRNN, nn.RNN, lambda m: m(X, H)),
    (separate_states.ThreeInThreeOut, nn.LSTM, lambda m: m(X, H, C)),
    (NamedStateLSTM, nn.LSTM, lambda m: m(X, state=LSTMState(H, C))),
])  # fmt: skip
def test_a_right_layer_agrees_with_torchs(layer, reference, call, recwarn):
    call(called(layer, reference, 3, 4))
    assert [str(told.message) for told in recwarn if issubclass(told.category, ContractWarning)] == []


@pytest.mark.parametrize(("layer", "reference", "call", "says"), [
    (gate_by_gate.BlogLSTM2, nn.LSTM, lambda m: m(X), "output"),
    (gate_by_gate.X2HGRU2, nn.GRU, lambda m: m(X, WIDE), "h_n"),
    (transposed.KerasLSTM1, nn.LSTM, lambda m: m(X), "output"),
])  # fmt: skip
def test_a_wrong_layer_does_not(layer, reference, call, says):
    with pytest.raises(rnncheck.ContractViolation, match=f"does not agree with LSTM: {says}|does not agree with GRU: {says}"):
        call(called(layer, reference, *((4, 3) if layer is transposed.KerasLSTM1 else (3, 4))))


@pytest.mark.parametrize("kind", [NamedStateLSTM, NamedStateLSTM2])
def test_a_class_is_decorated_as_well_and_called_by_name(kind, recwarn):
    mine = rnncheck.agrees_with(nn.LSTM, sample=1.0, folder=None)(type("Mine", (kind,), {}))
    with nullcontext() if kind is NamedStateLSTM else pytest.raises(rnncheck.ContractViolation, match="output"):
        mine(3, 4)(input=X, state=LSTMState(H, C))
    assert [str(told.message) for told in recwarn if issubclass(told.category, ContractWarning)] == []


def test_what_fails_is_kept_and_fails_again(tmp_path):
    with pytest.raises(rnncheck.ContractViolation, match="kept: rnncheck replay") as told:
        called(gate_by_gate.BlogLSTM2, nn.LSTM, 3, 4, folder=tmp_path)(X)
    (file,) = (tmp_path / "failing").iterdir()
    assert str(file) in str(told.value)
    assert replay(file, engine="inline", trust=True).verdict.verdict == "fails"


class Model(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.front, self.layer, self.head = nn.Linear(6, 3), layer, nn.Linear(4, 2)

    def forward(self, x):
        result = self.layer(self.front(x))
        return self.head(result[0] if isinstance(result, tuple) else result)


@pytest.mark.parametrize("layer", [gate_by_gate.BlogLSTM, gate_by_gate.NaiveLSTM, one_matrix.StateFirstGRU, transposed.KerasLSTM])
def test_watch_finds_layers_that_do_not_say_their_sizes(layer):
    model = Model(layer(*((4, 3) if layer is transposed.KerasLSTM else (3, 4))))
    with rnncheck.watch(model, sample=1.0, policy="count") as seen:
        model(torch.randn(2, 5, 6))
        model(torch.full((2, 5, 6), torch.nan))
    assert list(seen.layers) == ["layer"] and seen.calls == 2
    assert ("layer", "non-finite") in seen.findings


class Attention(nn.Module):
    """Each step looks at those before it."""

    def __init__(self):
        super().__init__()
        self.keys, self.values = nn.Linear(3, 3), nn.Linear(3, 4)

    def forward(self, x):
        scores = x.transpose(0, 1) @ self.keys(x).transpose(0, 1).transpose(1, 2)
        later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
        return (scores.masked_fill(later, -torch.inf).softmax(-1) @ self.values(x).transpose(0, 1)).transpose(0, 1)


def test_watch_takes_no_other_module_for_a_recurrence():
    with pytest.raises(ValueError, match="there is no recurrent layer inside"):
        rnncheck.watch(nn.Sequential(Attention(), nn.Linear(4, 4), nn.TransformerEncoderLayer(4, 2, 8)))


def test_what_cannot_be_compared_is_told_and_stops_nothing():
    layer = called(gate_by_gate.BlogLSTM, nn.GRU, 3, 4)
    with pytest.warns(ContractWarning, match="its equations are not those of the reference"):
        layer(X)
