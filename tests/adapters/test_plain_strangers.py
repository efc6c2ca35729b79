"""Correct layers as people write them, which once ended a whole run."""

from itertools import count

import numpy
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import rnncheck
from rnncheck.adapters.torch_layers import ModuleLayer
from rnncheck.running.same_start import begin_alike
from tests.effort import some


class ScalarLeak(nn.Module):
    """A leaky RNN whose leak is a parameter without axes."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.w = nn.Linear(input_size, hidden_size)
        self.leak = nn.Parameter(torch.tensor(0.5))

    def forward(self, x, hx=None):
        h = x.new_zeros(x.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for x_t in x:
            h = self.leak * torch.tanh(self.w(x_t)) + (1 - self.leak) * h
            outputs.append(h)
        return torch.stack(outputs), h[None]


class DropoutAlone(ScalarLeak):
    """Takes dropout, but no num_layers."""

    def __init__(self, input_size, hidden_size, dropout=0.0):
        super().__init__(input_size, hidden_size)


class PassedOn(nn.GRU):
    """Hands all that it is given to a layer that does not take everything."""

    def __init__(self, input_size, hidden_size, **options):
        super().__init__(input_size, hidden_size, **{name: value for name, value in options.items() if name == "bias"})


@pytest.mark.parametrize("target", [ScalarLeak, DropoutAlone, PassedOn])
def test_they_are_judged_to_the_end(target):
    chosen = "shape.*,gradient.eval_is_train,gradient.reference"
    report = rnncheck.verify(target, properties=chosen, max_examples=12, engine="inline")
    assert report.checked and report.failures == []


class OwnOutput(ScalarLeak):
    """What it returns is a function of its state, as of QRNN, SRU and state space models."""

    def forward(self, x, hx=None):
        output, h = super().forward(x, hx)
        return torch.tanh(output), h


class Wrapped(nn.Module):
    """torch.nn.GRU in a wrapper that remembers what it was built with."""

    rnncheck_mode = "GRU"

    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        self.rnn = nn.GRU(input_size, hidden_size, num_layers, dropout=dropout)

    def forward(self, x, hx=None):
        return self.rnn(x, hx)


class Named(ScalarLeak):
    """Has a nonlinearity of its own, which is none of torch's two."""

    def __init__(self, input_size, hidden_size, nonlinearity="softsign"):
        if nonlinearity != "softsign":
            raise ValueError(f"no {nonlinearity} here")
        super().__init__(input_size, hidden_size)


class DrawnBefore(nn.Module):
    """Two layers, between them masks that are drawn in advance and used in turn."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.layers = nn.ModuleList(ScalarLeak(hidden_size if k else input_size, hidden_size) for k in range(num_layers))
        self.dropout_rate, self.turn = dropout, 0
        self.register_buffer("masks", nn.functional.dropout(torch.ones(64, hidden_size), dropout))

    def forward(self, x, hx=None):
        finals = []
        for k, layer in enumerate(self.layers):
            if k and self.training and self.dropout_rate:
                x, self.turn = x * self.masks[self.turn], (self.turn + 1) % 64
            x, final = layer(x, None if hx is None else hx[k : k + 1])
            finals.append(final)
        return x, torch.cat(finals)


class Single(ScalarLeak):
    """Computes in float32 whatever comes."""

    def forward(self, x, hx=None):
        weight, bias, leak = (p.float() for p in (self.w.weight, self.w.bias, self.leak))
        h = x.new_zeros(x.shape[1], self.hidden_size).float() if hx is None else hx[0].float()
        outputs = []
        for x_t in x.float():
            h = leak * torch.tanh(nn.functional.linear(x_t, weight, bias)) + (1 - leak) * h
            outputs.append(h)
        return torch.stack(outputs).to(x.dtype), h[None].to(x.dtype)


class Drawn(ScalarLeak):
    """Its first parameters come from a generator of its own, which no seed of torch's sets."""

    generator = torch.Generator()

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        nn.init.normal_(self.w.weight, generator=self.generator)


class Reservoir(ScalarLeak):
    """Its recurrent weights are a buffer, fixed and drawn by numpy, as of an echo state network."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("recurrent", torch.tensor(numpy.random.standard_normal(hidden_size), dtype=torch.float32))

    def forward(self, x, hx=None):
        h = x.new_zeros(x.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for x_t in x:
            h = torch.tanh(self.w(x_t) + self.recurrent * h)
            outputs.append(h)
        return torch.stack(outputs), h[None]


class ZeroBias(nn.Module):
    """Two states, and biases that begin at 0."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size = hidden_size
        self.w = nn.Linear(input_size, hidden_size, bias)
        if bias:
            nn.init.zeros_(self.w.bias)

    def forward(self, x, hx=None):
        h, c = (x.new_zeros(2, x.shape[1], self.hidden_size)) if hx is None else (hx[0][0], hx[1][0])
        outputs = []
        for x_t in x:
            c = (torch.tanh(self.w(x_t)) + c) / 2
            h = torch.tanh(c + h / 4)
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])


class BiasIgnored(ZeroBias):
    """Has biases whatever it is told."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__(input_size, hidden_size)


@pytest.mark.parametrize("target, property", some([
    (OwnOutput, "state.is_last_output"), (Wrapped, "life.machine"), (Named, "shape.output"), (DrawnBefore, "mode.dropout_gradient"),
    (Single, "gradient.numerical"), (Drawn, "state.fresh"), (Drawn, "mode.repeatable"),
    (Reservoir, "state.fresh"), (Reservoir, "mode.repeatable"), (Reservoir, "life.leak"), (ZeroBias, "weights.flags"),
], 2))  # fmt: skip
def test_they_are_not_red(target, property):
    report = rnncheck.verify(target, properties=f"{property},shape.state", max_examples=24, engine="inline")
    assert report.checked and report.failures == []


class Frozen(ScalarLeak):
    """One of its parameters is not trained."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.leak.requires_grad_(False)


class Counts(ScalarLeak):
    """One of its parameters is a whole number, by which the leak is divided."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.steps = nn.Parameter(torch.tensor(3), requires_grad=False)

    def forward(self, x, hx=None):
        output, h = super().forward(x, hx)
        return output / self.steps, h


class Numbered(ScalarLeak):
    """Names a parameter by how many were built before."""

    built = count()

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_parameter(f"gain_{next(self.built)}", nn.Parameter(torch.ones(hidden_size)))

    def forward(self, x, hx=None):
        gain = next(p for name, p in self.named_parameters() if name.startswith("gain"))
        output, h = super().forward(x, hx)
        return gain * output, h


@pytest.mark.parametrize("target", [Frozen, Counts, Numbered])
def test_their_gradients_are_judged(target):
    chosen = "gradient.accumulates,gradient.any_requires_grad,gradient.loss_scale,state.fresh"
    report = rnncheck.verify(target, properties=chosen, max_examples=12, engine="inline")
    assert report.checked and report.failures == []


@pytest.mark.parametrize("target, offered", [(Single, False), (ScalarLeak, True)])
def test_float64_is_claimed_by_what_computes_in_it(target, offered):
    report = rnncheck.verify(target, properties="shape.output", max_examples=2, engine="inline")
    assert report.subjects[0].claims["float64"].offered == offered


def test_a_bias_that_is_ignored_is_red_though_it_begins_at_0():
    report = rnncheck.verify(BiasIgnored, properties="weights.flags", max_examples=6, engine="inline")
    assert [verdict.property for _, verdict in report.failures] == ["weights.flags"]


def layer_with(drawn, leaked):
    """A layer with two buffers."""
    module = nn.Linear(1, 1)
    module.register_buffer("drawn", torch.tensor(drawn))
    module.register_buffer("leaked", torch.tensor(leaked))
    return ModuleLayer(module, False, None)


def test_a_buffer_that_differs_only_later_is_left_as_it_is():
    first = {}
    begin_alike(layer_with(1.0, 0.0), lambda: layer_with(2.0, 0.0), first)
    later = layer_with(3.0, 5.0)
    begin_alike(later, lambda: layer_with(4.0, 5.0), first)
    assert (later.module.drawn, later.module.leaked) == (1.0, 5.0)


def named(name, drawn):
    module = nn.Module()
    module.register_parameter(name, nn.Parameter(torch.tensor(drawn)))
    return ModuleLayer(module, False, None)


@pytest.mark.parametrize(("another", "begins"), [("gru_2", 1.0), ("gru_1", 2.0)])
def test_layers_whose_names_change_with_each_that_is_built_begin_alike_too(another, begins):
    first = {}
    begin_alike(named("gru", 1.0), lambda: named("gru_0", 5.0), first)
    later = named("gru_1", 2.0)
    begin_alike(later, lambda: named(another, 3.0), first)
    assert later.module.gru_1.item() == begins


class Reentrant(ScalarLeak):
    """Runs its parts again by checkpoints of the older kind, which refuse torch.autograd.grad."""

    def forward(self, x, hx=None):
        return checkpoint(super().forward, x, hx, use_reentrant=True)


def test_of_reentrant_checkpoints_no_training_is_claimed():
    report = rnncheck.verify(Reentrant, properties="shape.output,gradient.accumulates", max_examples=6, engine="inline")
    assert report.checked and report.failures == []
    claim = report.subjects[0].claims["training"]
    assert not claim.offered and "set use_reentrant=False" in claim.why


class Nested(nn.Module):
    """Two layers, whose states are pairs, one in the other."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.layers = nn.ModuleList([ZeroBias(input_size, hidden_size), ZeroBias(hidden_size, hidden_size)])

    def forward(self, x, hx=(None, None)):
        x, first = self.layers[0](x, hx[0])
        x, second = self.layers[1](x, hx[1])
        return x, [first, second]


def test_nested_states_are_read():
    report = rnncheck.verify(Nested, engine="inline", properties="time.split,state.used", max_examples=2)
    assert report.exit_code == 0
    assert report.subjects[0].count()["holds"]


class ApartCell(nn.Module):
    """A cell that takes its two states as two arguments."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, x, h, c):
        return self.cell(x, (h, c))


def test_a_cell_that_takes_its_states_apart_is_read():
    report = rnncheck.verify(ApartCell, engine="inline", properties="time.split,state.used", max_examples=2)
    assert report.exit_code == 0
    assert "one step per call, state (h, c)" in report.subjects[0].reading


class Colourful(ScalarLeak):
    """Raises in colours, as exporters do."""

    def forward(self, x, hx=None):
        if x.dtype == torch.float64 or hx is not None:
            raise RuntimeError("\x1b[31mno\x1b[0m")
        return super().forward(x, hx)


def test_colours_do_not_reach_a_report():
    report = rnncheck.verify(Colourful, properties="shape.output", max_examples=6, engine="inline")
    (failure,) = [verdict for _, verdict in report.failures]
    assert failure.reason.startswith("RuntimeError while calling: no")
    assert report.subjects[0].claims["float64"].why == "RuntimeError: no"


class Complex(nn.Module):
    """A linear recurrence with complex eigenvalues, of which the real part comes out."""

    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.w = nn.Linear(input_size, hidden_size)
        self.eigenvalues = nn.Parameter(torch.polar(torch.rand(hidden_size), torch.rand(hidden_size)))

    def forward(self, x):
        h, outputs = x.new_zeros(x.shape[1], len(self.eigenvalues)).to(self.eigenvalues.dtype), []
        for x_t in self.w(x):
            h = self.eigenvalues * h + x_t
            outputs.append(h.real)
        assert self.eigenvalues.is_complex()
        return torch.stack(outputs)


@pytest.mark.parametrize("target", [Complex, Complex(2, 3)])
def test_complex_parameters_stay_complex(target):
    report = rnncheck.verify(target, properties="shape.output,time.causal", max_examples=6, engine="inline")
    assert report.exit_code == 0 and report.checked
