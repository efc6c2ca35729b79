"""Right layers on which a property was red once, each for a reason of its own."""

import torch
from torch import nn


class OptionsOfItsOwn(nn.Module):
    """Its layers have a name of their own, beside batch_first; each unit has one recurrent weight."""

    def __init__(self, input_size, hidden_size, n_layer=2, batch_first=False):
        super().__init__()
        self.batch_first = batch_first
        self.inputs = nn.ModuleList(nn.Linear(hidden_size if k else input_size, hidden_size) for k in range(n_layer))
        self.weights = nn.Parameter(torch.rand(n_layer, hidden_size))

    def forward(self, x, hidden=None):
        x = x.transpose(0, 1) if self.batch_first else x
        hidden = x.new_zeros(len(self.inputs), x.size(1), self.weights.size(1)) if hidden is None else hidden
        last = []
        for linear, weight, h in zip(self.inputs, self.weights, hidden, strict=True):
            x, steps = linear(x), []
            for x_t in x:
                h = torch.relu(x_t + weight * h)
                steps.append(h)
            x = torch.stack(steps)
            last.append(h)
        return x.transpose(0, 1) if self.batch_first else x, torch.stack(last)


class SumsOverAxisOne(nn.Module):
    """A gated sum over the second axis, that of time: input without a batch axis is summed over its features."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.to_value_and_gate = nn.Linear(input_size, 2 * hidden_size)

    def forward(self, x):
        value, gate = self.to_value_and_gate(x).chunk(2, dim=-1)
        return (value.tanh() * gate.sigmoid()).cumsum(dim=1)


class Rounded(torch.autograd.Function):
    """Rounding whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx, u):
        return u.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


class SkipRNN(nn.Module):
    """A binary gate, rounded in a Function of its own, decides whether the state moves (Campos et al. 2018)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.cell = nn.GRUCell(input_size, hidden_size)
        self.gate = nn.Linear(hidden_size, 1)

    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.hidden_size) if h is None else h
        ys = []
        for x_t in x:
            moves = self.rounded(torch.sigmoid(self.gate(h)))
            h = moves * self.cell(x_t, h) + (1 - moves) * h
            ys.append(h)
        return torch.stack(ys), h

    def rounded(self, p):
        return Rounded.apply(p)


class SkipByDetach(SkipRNN):
    """The same by detach()."""

    def rounded(self, p):
        return (p > 0.5).to(p) + p - p.detach()


class DetachedState(SkipRNN):
    """A mistake: gradients stop between the steps of a cell that compares and rounds nothing but a mask."""

    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.hidden_size) if h is None else h
        ys = []
        for x_t in x:
            h = torch.where(x_t[:, :1] > 9, h, self.cell(x_t, h.detach()))
            ys.append(h)
        return torch.stack(ys), h


class Scripted(nn.Module):
    """A part of it is compiled by TorchScript."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.hidden_size = torch.jit.script(nn.GRUCell(input_size, hidden_size)), hidden_size

    def forward(self, x, h=None):
        h = x.new_zeros(x.size(1), self.hidden_size) if h is None else h
        ys = []
        for x_t in x:
            h = self.cell(x_t, h)
            ys.append(h)
        return torch.stack(ys), h


class ScriptedWhole(Scripted):
    """All of it is, as its factory returns it."""

    def forward(self, x, h: torch.Tensor):
        ys = []
        for t in range(x.size(0)):
            h = self.cell(x[t], h)
            ys.append(h)
        return torch.stack(ys), h


def scripted_whole(input_size: int, hidden_size: int):
    """Return a compiled layer."""
    return torch.jit.script(ScriptedWhole(input_size, hidden_size))


class ScriptedSteps(torch.jit.ScriptModule):
    """Compiled as a class: its optimizer goes by the calls before, and fails in inference mode behind calls with gradients."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden_size, input_size) * 0.3)
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden_size, hidden_size) * 0.3)
        self.norm = nn.LayerNorm(4 * hidden_size)

    @torch.jit.script_method
    def forward(self, input: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]):
        h, c = state
        outputs = torch.jit.annotate(list[torch.Tensor], [])
        for x in input.unbind(0):
            i, f, g, o = self.norm(x @ self.weight_ih.t() + h @ self.weight_hh.t()).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs += [h]
        return torch.stack(outputs), (h, c)


class Orthogonal(Scripted):
    """Its recurrent matrix is the exponential of a skew-symmetric one, of which torch makes NaN in half precision."""

    def __init__(self, input_size, hidden_size):
        nn.Module.__init__(self)
        self.inputs, self.hidden_size = nn.Linear(input_size, hidden_size), hidden_size
        self.skew = nn.Parameter(torch.randn(hidden_size, hidden_size))

    def cell(self, x_t, h):
        return torch.tanh(self.inputs(x_t) + h @ torch.matrix_exp(self.skew - self.skew.T))


class OrthogonalCut(Orthogonal):
    """Large gradients of its state are cut off."""

    def cell(self, x_t, h):
        h = super().cell(x_t, h)
        if h.requires_grad:
            h.register_hook(lambda gradient: gradient.clamp(-100, 100))
        return h


class TwoWaysByFlip(nn.Module):
    """One LSTM reads the flipped sequences; of input without a batch axis it would flip the features."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.forwards, self.backwards = (nn.LSTM(input_size, hidden_size, batch_first=True) for _ in range(2))

    def forward(self, x):
        y, _ = self.forwards(x)
        z, _ = self.backwards(x.flip(1))
        return torch.cat([y, z.flip(1)], -1)


class FirstStateInFloat32(nn.Module):
    """As in most tutorials, the first state is made without a dtype."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x, h=None):
        h = torch.zeros(x.size(1), self.hidden_size) if h is None else h
        steps = []
        for x_t in x:
            h = torch.tanh(self.i2h(x_t) + self.h2h(h))
            steps.append(h)
        return torch.stack(steps), h


class FirstStateInside(FirstStateInFloat32):
    """No state can be given."""

    def forward(self, x):
        return super().forward(x)[0]


class TwoStepsLate(nn.Module):
    """A current charges a potential, and only then it spikes: the first two outputs are constants."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size, self.charge = hidden_size, nn.Linear(input_size, hidden_size)

    def spiked(self, potential):
        return torch.sigmoid(4 * (potential - 0.5))

    def forward(self, x):
        current = potential = x.new_zeros(x.size(1), self.hidden_size)
        spikes = []
        for x_t in x:
            spikes.append(self.spiked(potential))
            current, potential = 0.8 * current + self.charge(x_t), 0.9 * potential + current
        return torch.stack(spikes)


class SpikesDetached(TwoStepsLate):
    """Nothing is learned from its spikes."""

    def spiked(self, potential):
        return super().spiked(potential).detach()
