"""The equations of the cells in float64 once more, read off torch.nn's documentation, for gate.*.

RNN    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)                         or relu
LSTM   i, f, o = sigmoid(...), g = tanh(...);  c' = f c + i g;  h' = o tanh(c')
GRU    r, z = sigmoid(...);  n = tanh(W_in x + b_in + r (W_hn h + b_hn));  h' = (1 - z) n + z h
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rnncheck.catalog.tools.follow_ups import exact, steps_inside
from rnncheck.core import kinds
from rnncheck.core.kinds import Kind
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

States = tuple[Tensor, ...]
"""(h,) or (h, c), each (batch, features)."""


class Weights(NamedTuple):
    """The parameters of one layer and direction, float64 on the CPU; zeros without biases, hr = 1 without it."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor
    b_hh: Tensor
    hr: Tensor


def weights(trial: Trial, suffix: str) -> Weights:
    """Those of one layer and direction, by torch's suffix."""
    own = {name.removesuffix(suffix): exact(p) for name, p in trial.parameters.items() if name.endswith(suffix)}
    none = torch.zeros(len(own["weight_ih"]), dtype=torch.float64)
    identity = torch.eye(trial.config.hidden_size, dtype=torch.float64)
    return Weights(
        own["weight_ih"],
        own["weight_hh"],
        own.get("bias_ih", none),
        own.get("bias_hh", none),
        own.get("weight_hr", identity),
    )


# one step ------------------------------------------------------------------------------------------------------------


def _elman(x: Tensor, state: States, w: Weights) -> Tensor:
    return x @ w.ih.T + w.b_ih + state[0] @ w.hh.T + w.b_hh


def _lstm(x: Tensor, state: States, w: Weights) -> States:
    h, c = state
    i, f, g, o = (x @ w.ih.T + w.b_ih + h @ w.hh.T + w.b_hh).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return (o.sigmoid() * c.tanh()) @ w.hr.T, c


def _gru(x: Tensor, state: States, w: Weights) -> States:
    (h,) = state
    r_x, z_x, n_x = (x @ w.ih.T + w.b_ih).chunk(3, dim=-1)
    r_h, z_h, n_h = (h @ w.hh.T + w.b_hh).chunk(3, dim=-1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return ((1 - z) * n + z * h,)


def _gru_reset_before(x: Tensor, state: States, w: Weights) -> States:
    (h,) = state
    W_r, W_z, W_n = w.ih.chunk(3)
    U_r, U_z, U_n = w.hh.chunk(3)
    b_r, b_z, b_n = (w.b_ih + w.b_hh).chunk(3)
    r = (x @ W_r.T + h @ U_r.T + b_r).sigmoid()
    z = (x @ W_z.T + h @ U_z.T + b_z).sigmoid()
    n = (x @ W_n.T + (r * h) @ U_n.T + b_n).tanh()
    return ((1 - z) * n + z * h,)


STEPS: Mapping[Kind, Callable[[Tensor, States, Weights], States]] = {
    kinds.RNN_TANH: lambda x, state, w: (_elman(x, state, w).tanh(),),
    kinds.RNN_RELU: lambda x, state, w: (_elman(x, state, w).relu(),),
    kinds.GRU: _gru,
    kinds.GRU_RESET_BEFORE: _gru_reset_before,
    kinds.LSTM: _lstm,
}


def next_state(trial: Trial, index: int) -> States:
    """(h',) or (h', c') of one direction of a one-layer case after its first step, each (batch, features), float64."""
    state = tuple(exact(part[index]) for part in trial.given_state)
    suffix = trial.config.suffixes()[index][2]
    return STEPS[trial.config.kind](exact(trial.x[0]), state, weights(trial, suffix))


# weights zero --------------------------------------------------------------------------------------------------------


def _powers(base: Tensor, steps: Tensor) -> Tensor:
    """1 + base + ... + base^(steps - 1), elementwise."""
    return sum((torch.where(k < steps, base**k, 0.0) for k in range(int(steps.max()))), torch.zeros_like(base))


def _lstm_after(steps: Tensor, state: States, w: Weights) -> States:
    i, f, g, o = (w.b_ih + w.b_hh).chunk(4)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f**steps * state[1] + i * g * _powers(f, steps)
    return (o * c.tanh()) @ w.hr.T, c


def _gru_after(steps: Tensor, state: States, w: Weights, n: Tensor) -> States:
    z = (w.b_ih + w.b_hh).chunk(3)[1].sigmoid()
    return (z**steps * state[0] + (1 - z**steps) * n,)


def _n_reset_after(w: Weights) -> Tensor:
    r = (w.b_ih + w.b_hh).chunk(3)[0].sigmoid()
    return (w.b_ih.chunk(3)[2] + r * w.b_hh.chunk(3)[2]).tanh()


AFTER: Mapping[Kind, Callable[[Tensor, States, Weights], States]] = {
    kinds.RNN_TANH: lambda steps, state, w: ((w.b_ih + w.b_hh).tanh().expand(state[0].shape),),
    kinds.RNN_RELU: lambda steps, state, w: ((w.b_ih + w.b_hh).relu().expand(state[0].shape),),
    kinds.GRU: lambda steps, state, w: _gru_after(steps, state, w, _n_reset_after(w)),
    kinds.GRU_RESET_BEFORE: lambda steps, state, w: _gru_after(steps, state, w, (w.b_ih + w.b_hh).chunk(3)[2].tanh()),
    kinds.LSTM: _lstm_after,
}
"""The state after some steps (batch, 1), where the weights are zero: each unit on its own, whatever the input."""


def closed_forms(trial: Trial) -> Run:
    """The whole run of a case whose weight_ih and weight_hh are zero, from each unit's closed form."""
    config, inside = trial.config, steps_inside(trial).cpu()
    lengths, time = inside.sum(0), torch.arange(trial.time)[:, None]
    after, finals, top = AFTER[config.kind], [], []
    for index, (layer, direction, suffix) in enumerate(config.suffixes()):
        w, state = weights(trial, suffix), tuple(exact(part[index]) for part in trial.given_state)
        finals.append(after(lengths[:, None], state, w))
        if layer == config.num_layers - 1:
            taken = lengths - time if direction else time + 1
            top.append(torch.stack([after(steps[:, None], state, w)[0] for steps in taken.clamp(min=1)]))
    output = torch.cat(top, dim=-1) * inside[..., None]
    return Run(output, *map(torch.stack, zip(*finals, strict=True)))
