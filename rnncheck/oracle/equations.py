"""The equations of the three layers in float64, and the loop over time that applies them.

Nothing here is shared with what is judged. A layer's parameters are taken apart by gate and kept with the gates on an
axis of their own; the product of a state with all gates' weights is one batched product over that axis.

Every tensor has an axis of `copies` in front of its batch: 1 for the truth, K for the perturbed runs of the budget.

An Observer sees every intermediate value under the name of its place and returns what the computation goes on with:
the truth returns it as it is, the budget adds a rounding error, a hypothesis changes an equation.

    place     value                                     shape
    x         W x + its biases, of one time step        (gates, copies, batch, hidden)
    operand   what U or W multiplies: h, r * h, the input     (copies, batch, states), (time, copies, batch, input)
    rec       U h + b_hn, GRU with reset_after only     (gates, copies, batch, hidden)
    a         the pre-activations                       (gates, copies, batch, hidden)
    s         their sigmoids                            (sigmoid gates, copies, batch, hidden)
    g         their tanh (relu): LSTM g, GRU n, RNN h   (copies, batch, hidden)
    c         the LSTM's cell state                     (copies, batch, hidden)
    m         o * tanh(c), if it is projected           (copies, batch, hidden)
    h         the new state                             (copies, batch, states)
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rnncheck.core.config import Config

ORDER: Mapping[str, str] = {"RNN_TANH": "h", "RNN_RELU": "h", "GRU": "rzn", "LSTM": "ifog"}
"""The gates' order on our gates axis; sigmoids first. Not torch's order, which is Config.gates."""


class Observer:
    """Sees each value and lets it pass; the base of those that do not. Evaluates the elementary functions as well."""

    def sigmoid(self, value: Tensor) -> Tensor:
        """Of the gates."""
        return torch.sigmoid(value)

    def tanh(self, value: Tensor) -> Tensor:
        """Of candidates."""
        return torch.tanh(value)

    def squash(self, value: Tensor) -> Tensor:
        """The tanh of the cell state."""
        return torch.tanh(value)

    def relu(self, value: Tensor) -> Tensor:
        """Of the rectified Elman layer."""
        return torch.relu(value)

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        return value


class Through(Observer):
    """Stands in front of another observer, whose equations these are."""

    def __init__(self, inner: Observer | None = None) -> None:
        self.inner = inner or Observer()

    def sigmoid(self, value: Tensor) -> Tensor:
        return self.inner.sigmoid(value)

    def tanh(self, value: Tensor) -> Tensor:
        return self.inner.tanh(value)

    def squash(self, value: Tensor) -> Tensor:
        return self.inner.squash(value)

    def relu(self, value: Tensor) -> Tensor:
        return self.inner.relu(value)

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        return self.inner(place, time, value)


class Layer(NamedTuple):
    """The parameters of one layer and direction in float64, gates in ORDER.

    w: (gates, input, hidden)    u: (gates, states, hidden)    p: (hidden, states), None without projection
    b_ih, b_hh: (gates, 1, 1, hidden), zero if the layer has no bias
    """

    w: Tensor
    u: Tensor
    b_ih: Tensor
    b_hh: Tensor
    p: Tensor | None

    @classmethod
    def split(cls, config: Config, parameters: Mapping[str, Tensor], suffix: str) -> "Layer":
        """Taken from float64 parameters under torch's names."""

        def gates(name: str) -> Tensor:
            by_gate = dict(zip(config.gates, parameters[name + suffix].chunk(len(config.gates)), strict=True))
            return torch.stack([by_gate[gate].mT if by_gate[gate].dim() == 2 else by_gate[gate] for gate in order])

        order = ORDER[config.mode]
        zero = torch.zeros(len(order), config.hidden_size, dtype=torch.float64, device="cpu")
        biases = [gates("bias_ih"), gates("bias_hh")] if config.bias else [zero, zero]
        b_ih, b_hh = (bias[:, None, None, :] for bias in biases)
        projection = parameters["weight_hr" + suffix].mT if config.proj_size else None
        return cls(gates("weight_ih"), gates("weight_hh"), b_ih, b_hh, projection)


State = tuple[Tensor, Tensor | None]
Step = Callable[[Layer, int, Tensor, Tensor, Tensor | None, Observer], State]


def add_product(x: Tensor, h: Tensor, u: Tensor) -> Tensor:
    """x + h u for every gate; x: (gates, copies or 1, batch, hidden), h: (copies, batch, states), u: (gates, states, hidden)."""
    gates, hidden = u.shape[0], u.shape[2]
    rows = h.flatten(0, 1).expand(gates, -1, -1)
    return torch.baddbmm(x.expand(-1, len(h), -1, -1).flatten(1, 2), rows, u).view(gates, *h.shape[:2], hidden)


def rnn_tanh(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Elman: h' = tanh(W x + b_ih + U h + b_hh)."""
    a = see("a", t, add_product(x, see("operand", t, h), layer.u))
    return see("h", t, see("g", t, see.tanh(a[0]))), None


def rnn_relu(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Elman with a rectifier: h' = max(0, W x + b_ih + U h + b_hh)."""
    a = see("a", t, add_product(x, see("operand", t, h), layer.u))
    return see("h", t, see("g", t, see.relu(a[0]))), None


def gru_reset_after(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """torch, cuDNN: n = tanh(W x + b_in + r * (U h + b_hn)); h' = (1 - z) * n + z * h."""
    rec = see("rec", t, add_product(layer.b_hh.expand(-1, *h.shape[:2], -1), see("operand", t, h), layer.u))
    r, z = see("s", t, see.sigmoid(see("a", t, x[:2] + rec[:2])))
    n = see("g", t, see.tanh(see("an", t, torch.addcmul(x[2], r, rec[2]))))
    return see("h", t, torch.addcmul((1 - z) * n, z, h)), None


def gru_reset_before(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Cho et al. 2014: n = tanh(W x + b_in + U (r * h) + b_hn); h' = (1 - z) * n + z * h."""
    r, z = see("s", t, see.sigmoid(see("a", t, add_product(x[:2], see("operand", t, h), layer.u[:2]))))
    n = see("g", t, see.tanh(see("an", t, add_product(x[2:], see("operand", t, r * h), layer.u[2:])[0])))
    return see("h", t, torch.addcmul((1 - z) * n, z, h)), None


def lstm(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """c' = f * c + i * g; h' = o * tanh(c'), projected by weight_hr where there is one."""
    assert c is not None
    a = see("a", t, add_product(x, see("operand", t, h), layer.u))
    i, f, o = see("s", t, see.sigmoid(a[:3]))
    g = see("g", t, see.tanh(a[3]))
    c = see("c", t, torch.addcmul(f * c, i, g))
    h = o * see.squash(c)
    if layer.p is not None:
        h = see("m", t, h) @ layer.p
    return see("h", t, h), c


def step_of(config: Config) -> Step:
    """The equations of this mode; KeyError for one that is not implemented."""
    gru = gru_reset_after if config.reset_after else gru_reset_before
    return {"RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu, "GRU": gru, "LSTM": lstm}[config.mode]


def input_part(config: Config, layer: Layer, x: Tensor) -> Tensor:
    """W x + biases of all steps, (gates, time, copies, batch, hidden), from x (time, copies, batch, input).

    A GRU with reset_after adds b_hh beside U h instead.
    """
    products = torch.matmul(x.flatten(0, 2), layer.w).unflatten(1, x.shape[:3])
    bias = layer.b_ih if config.mode == "GRU" and config.reset_after else layer.b_ih + layer.b_hh
    return products + bias.unsqueeze(1)


class LayerDirection(NamedTuple):
    """One layer and direction over time: output (time, copies, batch, states), h_n (copies, batch, states), c_n."""

    output: Tensor
    h_n: Tensor
    c_n: Tensor | None


def unroll(step: Step, layer: Layer, x: Tensor, start: State, reverse: bool, valid: Tensor | None, see: Observer) -> LayerDirection:
    """The loop over time. x: (gates, time, copies, batch, hidden); valid: (time, batch, 1), None where all are.

    A row that is not valid at a step keeps its state and puts out 0: a forward strand stops at a row's own last step,
    a reverse strand begins there.
    """
    h, c = start
    steps = x.unbind(1)
    outputs: list[Tensor] = [h] * len(steps)
    for t in reversed(range(len(steps))) if reverse else range(len(steps)):
        new_h, new_c = step(layer, t, see("x", t, steps[t]), h, c, see)
        if valid is None:
            h, c, outputs[t] = new_h, new_c, new_h
            continue
        h = torch.where(valid[t], new_h, h)
        c = None if c is None or new_c is None else torch.where(valid[t], new_c, c)
        outputs[t] = torch.where(valid[t], h, 0.0)
    return LayerDirection(torch.stack(outputs), h, c)
