"""All of a recurrent layer but its cell, made of small methods, so that a mutant can go wrong in exactly one of them.

Constructor, parameter names, call and refusals are torch.nn's. Inside, everything is time first and batched:

    x        (time, batch, features)
    state    a tuple, (h,) or (h, c); each (batch, features) in a step, (layers * directions, batch, features) in a call
    lengths  (batch,) steps of each sequence if the input was packed, else None
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from tests.mutants.clean.checks import Checks


class Weights(NamedTuple):
    """The parameters of one layer and direction; None where the layer has none."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    hr: Tensor | None


PARAMETER = {"ih": "weight_ih", "hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh", "hr": "weight_hr"}


class Layer(Checks, nn.Module):
    """What RNN, GRU and LSTM share: everything but the cell."""

    mode: str
    gate_count: int

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.check_constructor()
        self.make_parameters(device=device, dtype=dtype)
        self.reset_parameters()

    # construction ----------------------------------------------------------------------------------------------------

    @property
    def directions(self):
        return 2 if self.bidirectional else 1

    @property
    def state_size(self):
        return self.proj_size or self.hidden_size

    def state_sizes(self):
        """Features of h, and of c where there is one."""
        return (self.state_size,)

    def layer_input_size(self, layer):
        return self.input_size if layer == 0 else self.state_size * self.directions

    def shapes(self, layer):
        rows = self.gate_count * self.hidden_size
        shapes = {"ih": (rows, self.layer_input_size(layer)), "hh": (rows, self.state_size)}
        if self.bias:
            shapes |= {"b_ih": (rows,), "b_hh": (rows,)}
        if self.proj_size:
            shapes |= {"hr": (self.proj_size, self.hidden_size)}
        return shapes

    def key(self, name, layer, direction):
        """torch's parameter name, e.g. weight_ih_l0_reverse."""
        return f"{PARAMETER[name]}_l{layer}" + ("_reverse" if direction else "")

    def make_parameters(self, device, dtype):
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                for name, shape in self.shapes(layer).items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(self.key(name, layer, direction), parameter)

    def reset_parameters(self):
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def weight(self, name, layer, direction):
        return getattr(self, self.key(name, layer, direction), None)

    def weights(self, layer, direction):
        return Weights(*(self.weight(name, layer, direction) for name in PARAMETER))

    # the call --------------------------------------------------------------------------------------------------------

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self.forward_packed(input, hx)
        self.check_input(input)
        x = self.time_major(input)
        y, state = self.run(x, self.initial_state(x, self.batched_state(hx, input)), None)
        if input.dim() == 2:
            return y.squeeze(1), self.result_state(tuple(s.squeeze(1) for s in state))
        return self.user_layout(y), self.result_state(state)

    def forward_packed(self, packed, hx):
        self.check_features(packed.data)
        x, lengths = self.pad(packed)
        y, state = self.run(x, self.initial_state(x, self.state_tuple(hx)), lengths)
        return self.pack(y, lengths, packed), self.result_state(state)

    def pad(self, packed):
        """Padded input and lengths, both in the caller's order of the sequences."""
        x, lengths = pad_packed_sequence(packed)
        return x, lengths.to(x.device)

    def pack(self, y, lengths, packed):
        """y as a PackedSequence in the order that ``packed`` has."""
        if packed.sorted_indices is not None:
            y, lengths = y.index_select(1, packed.sorted_indices), lengths.index_select(0, packed.sorted_indices)
        data = pack_padded_sequence(y, lengths.cpu()).data
        return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)

    def time_major(self, input):
        """(time, batch, features) from what the caller gave."""
        if input.dim() == 2:
            return input.unsqueeze(1)
        return input.transpose(0, 1) if self.batch_first else input

    def user_layout(self, y):
        """The inverse of time_major for batched output."""
        return y.transpose(0, 1) if self.batch_first else y

    def batched_state(self, hx, input):
        """hx as a tuple of (layers * directions, batch, features), or None."""
        state = self.state_tuple(hx)
        if state is None:
            return None
        for s in state:
            if s.dim() != input.dim():
                raise RuntimeError(f"For {input.dim()}-D input, hx should also be {input.dim()}-D but got {s.dim()}-D")
        return tuple(s.unsqueeze(1) for s in state) if input.dim() == 2 else state

    def state_tuple(self, hx):
        """None, or hx as a tuple."""
        if hx is not None and not isinstance(hx, Tensor):
            raise TypeError(f"hx should be a Tensor, got: {type(hx).__name__}")
        return None if hx is None else (hx,)

    def result_state(self, state):
        """What the caller gets for the final state."""
        return state[0]

    # the recurrence --------------------------------------------------------------------------------------------------

    def initial_state(self, x, state):
        if state is None:
            return self.default_state(x)
        self.check_state(x, state)
        return state

    def default_state(self, x):
        return tuple(x.new_zeros(self.num_layers * self.directions, x.shape[1], size) for size in self.state_sizes())

    def run(self, x, state, lengths):
        """(output, final state) of all layers, time first."""
        finals = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.directions):
                start = tuple(s[layer * self.directions + direction] for s in state)
                y, final = self.one_direction(x, start, layer, direction, lengths)
                outputs.append(y)
                finals.append(final)
            x = self.join(outputs)
            if layer < self.num_layers - 1:
                x = self.between(x)
        return x, self.final_state(finals)

    def one_direction(self, x, state, layer, direction, lengths):
        """(output, final state) of one layer and direction."""
        w = self.weights(layer, direction)
        if direction == 0:
            return self.loop(x, state, w, lengths)
        y, state = self.loop(self.reverse(x, lengths), state, w, lengths)
        return self.reverse(y, lengths), state

    def loop(self, x, state, w, lengths):
        """(output, final state) of the recurrence, first step first."""
        outputs = []
        for t, x_t in enumerate(x.unbind(0)):
            state = self.hold(self.cell(x_t, state, w), state, t, lengths)
            outputs.append(state[0])
        return self.collect(outputs), state

    def hold(self, new, old, t, lengths):
        """A sequence that is over keeps its state."""
        if lengths is None:
            return new
        running = (t < lengths).unsqueeze(1)
        return tuple(torch.where(running, n, o) for n, o in zip(new, old, strict=True))

    def reverse(self, x, lengths):
        """Each sequence back to front, its padding left where it is."""
        if lengths is None:
            return x.flip(0)
        t = torch.arange(len(x), device=x.device).unsqueeze(1)
        index = torch.where(t < lengths, lengths - 1 - t, t)
        return x.gather(0, index.unsqueeze(2).expand(-1, -1, x.shape[2]))

    def collect(self, outputs):
        """(time, batch, features) from the steps' outputs."""
        return torch.stack(outputs)

    def join(self, outputs):
        """The directions of one layer side by side."""
        return torch.cat(outputs, dim=-1)

    def between(self, x):
        """What happens to a layer's output on its way to the next."""
        return F.dropout(x, self.dropout) if self.training and self.dropout > 0 else x

    def final_state(self, finals):
        """(layers * directions, batch, features) for h, and for c."""
        return tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def cell(self, x, state, w):
        """One step: the new state from x (batch, features) and the old one."""
        raise NotImplementedError

    def split(self, rows):
        """The gates' blocks of a (batch, gates * hidden_size) tensor, in torch's order."""
        return rows.chunk(self.gate_count, dim=-1)

    def from_input(self, x, w):
        return F.linear(x, w.ih, w.b_ih)

    def from_hidden(self, h, w):
        return F.linear(h, w.hh, w.b_hh)
