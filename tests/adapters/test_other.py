"""Recurrences that are none of torch's: judged by all that needs no equations, against noise measured on themselves."""

import pytest
import torch
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from tests.adapters.support import claimed
from tests.effort import at_night


class MinimalGated(nn.Module):
    """h_t = (1 - z_t) h_{t-1} + z_t v_t, where z and v see the input alone: step by step."""

    rnncheck_mode = "other"

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gate, self.value = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, v = self.gate(x).sigmoid(), self.value(x)
        h = x.new_zeros(x.shape[1], self.hidden_size) if h is None else h[0]
        outputs = []
        for t in range(len(x)):
            h = self.step(z[t], v[t], h, t)
            outputs.append(h)
        return torch.stack(outputs), h[None]

    def step(self, z: Tensor, v: Tensor, h: Tensor, t: int) -> Tensor:
        return torch.lerp(h, v, z)


class InParallel(MinimalGated):
    """The same by sums over time: products of 1 - z by a sum of logarithms, which is not backward stable."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, v = self.gate(x).sigmoid(), self.value(x)
        h = x.new_zeros(1, x.shape[1], self.hidden_size) if h is None else h
        kept = torch.log1p(-z).cumsum(0)
        since = (kept[:, None] - kept[None]).masked_fill(torch.ones(len(x), len(x)).triu(1).bool()[..., None, None], -torch.inf)
        outputs = (since.exp() * (z * v)[None]).sum(1) + kept.exp() * h
        return outputs, outputs[-1:].clone()


class TwoStates(MinimalGated):
    """An exponential gate, normalised by a second state; nothing is bounded by 1."""

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        zero = x.new_zeros(x.shape[1], self.hidden_size)
        (h, c), outputs = (zero, zero) if state is None else (state[0][0], state[1][0]), []
        for a, v in zip(self.gate(x), self.value(x), strict=True):
            c = 0.5 * c + torch.exp(a.clamp(max=3))
            h = 0.5 * h + 2 * v + 0.1 * torch.sin(c)
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])


FAMILIES = "shape.*,state.*,gate.*,time.*,batch.*,layout.*,gradient.*,weights.*,mode.*,life.*"


@pytest.mark.parametrize(
    ("layer", "families"),
    [(MinimalGated, f"{FAMILIES},numeric.*"), (TwoStates, f"{FAMILIES},numeric.*"), (InParallel, FAMILIES)],  # whose 0 * NaN is NaN
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_correct_one_is_clean(layer, families, tmp_path):
    report = rnncheck.verify(layer, properties=families, folder=tmp_path, engine="inline", max_examples=at_night(28, 5))
    found = {verdict.property: verdict.verdict for verdict in report.subjects[0].verdicts}
    assert not [name for name, verdict in found.items() if verdict in ("fails", "errored", "crashed", "hung")]
    holding = {"shape.state", "time.split", "time.step_by_step", "batch.alone", "gradient.split", "gradient.forward_mode"}
    assert holding <= {name for name, verdict in found.items() if verdict == "holds"}
    assert found["gate.state_bound"] == "not_claimed"


def test_what_is_said_of_it():
    subject = claimed(MinimalGated)
    assert subject.of_its_own and subject.modes == ("RNN_RELU",)
    assert subject.lacks(("equations",)).endswith('rnncheck_mode = "other"')
    assert claimed(TwoStates).modes == ("LSTM",)


def test_an_instance_too():
    assert claimed(TwoStates(3, 4)).fixed == rnncheck.Config("LSTM", 3, 4)
    assert claimed(MinimalGated(3, 4)).fixed == rnncheck.Config("RNN_RELU", 3, 4)


class ForgetsLate(MinimalGated):
    def step(self, z: Tensor, v: Tensor, h: Tensor, t: int) -> Tensor:
        return super().step(z, v, 0.999 * h if t == 3 else h, t)


class MixesRows(MinimalGated):
    def step(self, z: Tensor, v: Tensor, h: Tensor, t: int) -> Tensor:
        return super().step(z, v, h + 1e-3 * (h.mean(0) - h), t)


@pytest.mark.parametrize(("layer", "found_by"), [(ForgetsLate, "time.step_by_step"), (MixesRows, "batch.alone")])
def test_a_wrong_one_is_found(layer, found_by, tmp_path):
    report = rnncheck.verify(layer, properties=found_by, folder=tmp_path, engine="inline", max_examples=60)
    assert [verdict.verdict for verdict in report.subjects[0].verdicts] == ["fails"]


def test_an_unknown_mode_is_told_what_there_is():
    with pytest.raises(rnncheck.UsageError, match=r"should be of RNN_TANH, RNN_RELU, GRU, LSTM, or other"):
        subjects(type("Wrong", (nn.Module,), {"rnncheck_mode": "SRU"}))


class DrawnForDropout(nn.Module):
    """Two layers with dropout between them, whose first weights are drawn smaller for it."""

    rnncheck_mode = "other"

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(MinimalGated(size, hidden_size) for size in sizes)
        self.dropout = dropout
        with torch.no_grad():
            for layer in self.layers:
                layer.value.weight.mul_((1 - dropout) ** 0.5)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        final = []
        for k, layer in enumerate(self.layers):
            x = nn.functional.dropout(x, self.dropout, self.training) if k else x
            x, h_k = layer(x, None if h is None else h[k : k + 1])
            final.append(h_k)
        return x, torch.cat(final)


def test_a_layer_may_draw_its_parameters_for_its_dropout():
    report = rnncheck.verify(DrawnForDropout, properties="gradient.eval_is_train", max_examples=60, budget=300, engine="inline")
    (verdict,) = report.subjects[0].verdicts
    assert (verdict.verdict, verdict.mismatch) == ("holds", None)
