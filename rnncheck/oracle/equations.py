"""What the equations of all kinds have in common, in float64: parameters by gate, observers, and the loop over time.

The equations are in elman.py, gru.py and lstm.py. Nothing is shared with what is judged. A layer's parameters are taken apart
by gate and kept with the gates on an axis of their own; the product of a state with all gates' weights is one batched product
over that axis.

Every tensor has an axis of `copies` in front of its batch: 1 for the truth, K for the perturbed runs of the budget.

An Observer sees every intermediate value under the name of its place and returns what the computation goes on with:
the truth returns it as it is, the budget adds a rounding error, a hypothesis changes an equation.

    place     value                                        shape
    x         W x + its biases, of one time step           (gates, copies, batch, hidden)
    operand   what U or W multiplies: h, r * h, the input  (copies, batch, states), (time, copies, batch, input)
    rec       U h + b_hh, where a gate multiplies it       (gates, copies, batch, hidden)
    a         the pre-activations                          (gates, copies, batch, hidden)
    an        that of a candidate that needs the gates     (copies, batch, hidden)
    s         the gates, sigmoids of a                     (sigmoid gates, copies, batch, hidden)
    g         the candidate, tanh (relu): LSTM g, GRU n    (copies, batch, hidden)
    c         the LSTM's cell state                        (copies, batch, hidden)
    m         o * tanh(c), if it is projected              (copies, batch, hidden)
    h         the new state                                (copies, batch, states)
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rnncheck.core.config import Config


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
    """The parameters of one layer and direction in float64, gates in the order of its kind, sigmoids first.

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

        order = config.kind.order
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


def input_part(config: Config, layer: Layer, x: Tensor) -> Tensor:
    """W x + biases of all steps, (gates, time, copies, batch, hidden), from x (time, copies, batch, input).

    Where a gate multiplies U h + b_hh, b_hh is added there instead.
    """
    products = torch.matmul(x.flatten(0, 2), layer.w).unflatten(1, x.shape[:3])
    bias = layer.b_ih if config.kind.beside_state else layer.b_ih + layer.b_hh
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
