"""Results that are more, or less, than one output and its state: what is read of them, and what is told."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.reading.target import read_target
from rnncheck.running.trial import Trial
from tests.effort import some
from tests.strangers.hunted import kill_of, subject_of


class AllLayers(nn.Module):
    """Returns the outputs of each of its layers."""

    def __init__(self, input_size, hidden_size, depth=2):
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(hidden_size if n else input_size, hidden_size) for n in range(depth))

    def forward(self, x):
        outputs = []
        for layer in self.layers:
            x = layer(x)[0]
            outputs.append(x)
        return outputs


class Posterior(NamedTuple):
    mu: torch.Tensor
    logvar: torch.Tensor


class Encoder(nn.Module):
    def __init__(self, input_dim, hidden_dim, latent_dim):
        super().__init__()
        self.rnn = nn.GRU(input_dim, hidden_dim)
        self.mu, self.logvar = nn.Linear(hidden_dim, latent_dim), nn.Linear(hidden_dim, latent_dim)

    def forward(self, x):
        h = self.rnn(x)[1][0]
        return Posterior(self.mu(h), self.logvar(h))


class Tagger(nn.Module):
    """Half of the hidden size in each direction, which an odd size does not allow."""

    def __init__(self, emb_dim, hidden_dim, num_tags):
        super().__init__()
        self.rnn = nn.LSTM(emb_dim, hidden_dim // 2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(hidden_dim, num_tags)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class Attends(nn.Module):
    """Looks at a memory of its own size in each step."""

    def __init__(self, input_size, memory_size, hidden_size):
        super().__init__()
        self.score = nn.Linear(hidden_size, memory_size)
        self.cell = nn.GRUCell(input_size + memory_size, hidden_size)

    def forward(self, x, memory, hidden=None):
        h = x.new_zeros(len(x), self.cell.hidden_size) if hidden is None else hidden
        outputs, weights = [], []
        for step in x.unbind(1):
            a = (memory @ self.score(h)[:, :, None]).softmax(1)
            h = self.cell(torch.cat([step, (a * memory).sum(1)], 1), h)
            outputs.append(h)
            weights.append(a[:, :, 0])
        return torch.stack(outputs, 1), h, torch.stack(weights, 1)


class BeginsFromFeatures(nn.Module):
    """Its first state is made of what is known of a whole sequence; none can be given."""

    def __init__(self, dynamic_dim, static_dim, hidden_dim):
        super().__init__()
        self.start = nn.Linear(static_dim, hidden_dim)
        self.gru = nn.GRU(dynamic_dim, hidden_dim, batch_first=True)

    def forward(self, x, static):
        return self.gru(x, self.start(static).tanh()[None])


class PyramidOfLayers(nn.Module):
    """Each layer after the first reads two steps of the one below at once."""

    def __init__(self, idim, hdim, nlayers=2):
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(2 * hdim if n else idim, hdim, batch_first=True) for n in range(nlayers))

    def forward(self, x):
        for n, layer in enumerate(self.layers):
            if n:
                x = x[:, : x.shape[1] // 2 * 2].reshape(x.shape[0], x.shape[1] // 2, -1)
            x = layer(x)[0]
        return x


class DropsWeights(nn.Module):
    """Computes its recurrent weights anew for each call."""

    def __init__(self, ninp, nhid):
        super().__init__()
        self.below, self.rnn = nn.Linear(ninp, ninp), nn.GRU(ninp, nhid)

    def forward(self, x, hidden=None):
        x = self.below(x)
        weight = nn.functional.dropout(self.rnn.weight_hh_l0, 0.5, self.training)
        return torch.func.functional_call(self.rnn, {"weight_hh_l0": weight}, (x, hidden))


class Halves(nn.Module):
    """Two directions that share the hidden size."""

    back = True

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.onward, self.reverse = (nn.LSTM(input_dim, hidden_dim // 2, batch_first=True) for _ in range(2))

    def forward(self, x):
        reverse = self.reverse(x.flip(1))[0]
        return torch.cat([self.onward(x)[0], reverse.flip(1) if self.back else reverse], -1)


class HalvesNotTurnedBack(Halves):
    back = False


READ = [
    (AllLayers, ("no state comes back",), ()),
    (Encoder, ("no state comes back", "returns only the last output", "result['logvar'] of shape"), ("state h",)),
    (Tagger, ("no state comes back",), ()),
    (BeginsFromFeatures, ("state h", "beside it static"), ("parameter start",)),
    (Attends, ("state h", "beside it memory", "result[2] of shape (3, 5, 2)"), ("parameter score",)),
]


@pytest.mark.parametrize(("layer", "told", "untold"), READ, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_read(layer, told, untold):
    words = read_target(layer).words()
    assert all(one in words for one in told) and not any(one in words for one in untold), words


def test_of_the_outputs_of_all_layers_the_last_one_is_judged():
    subject = subject_of(AllLayers)
    assert subject.offers("layers")
    trial = Trial(subject, Case(Config(subject.modes[0], 4, 3, num_layers=3), 3, 2, dtype="float64"))
    layer = trial.build().module
    x = trial.x.double()
    assert torch.equal(layer(x)[0], layer.layer(x)[2])


def test_what_comes_back_beside_them_is_told():
    class WithAttention(AllLayers):
        def forward(self, x):
            outputs = super().forward(x)
            return outputs[-1], outputs[0].softmax(0), x.mean()

    words = read_target(WithAttention).words()
    assert "result[1] of shape (5, 3, 7), result[2] of shape ()" in words


def test_layers_that_make_a_sequence_shorter_are_not_claimed():
    subject = subject_of(PyramidOfLayers)
    assert not subject.offers("layers")
    assert subject.claims["layers"].why == "two layers return 6 steps for 12"


def test_a_layer_that_assigns_its_parameters_offers_no_parametrizations():
    assert not subject_of(DropsWeights).offers("parametrize")
    assert subject_of(AllLayers).offers("parametrize")


@pytest.mark.parametrize(("layer", "status"), [(Halves, "holds"), (HalvesNotTurnedBack, "fails")])
def test_each_direction_is_causal(layer, status):
    subject = subject_of(layer)
    assert "two directions" in subject.read_as and subject.nature["bidirectional"]
    config = Config(subject.modes[0], 4, 3, bidirectional=True, batch_first=True)
    assert judge(CATALOG["direction.causal"], Trial(subject, Case(config, 4, 2))).status == status


@pytest.mark.parametrize("layer", some([AllLayers, Encoder, Tagger, BeginsFromFeatures, Attends, PyramidOfLayers], 2))
def test_right_layers_hold(layer):
    kill = kill_of(subject_of(layer), cases=5)
    assert kill is None, (kill.prop.id, kill.outcome)
