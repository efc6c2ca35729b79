"""How large the rounding errors of the backward pass are, at each place where one is injected.

With dq the gradient of a value q. The roundoff of a product of factors is relative to it; that of a derivative is not:
s (1 - s) and 1 - g² are as wrong as the s and g that they are made of, however small they are themselves.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.oracle.error_size import Sizes, times
from rnncheck.oracle.trace import LayerTrace

Variances = Mapping[str, Tensor]
Gradients = Mapping[str, Tensor]
"""place -> gradient of the loss with respect to the value there; "x" is that of the input part of the pre-activations."""


def _sigmoid(sizes: Sizes, ds: Tensor, s: Tensor) -> Tensor:
    """Of da = ds s (1 - s)."""
    slope = s * (1 - s)
    return ds.square() * ((3 * sizes.function * slope).square() + (1 - 2 * s).square() * sizes.gate(s))


def _tanh(sizes: Sizes, dg: Tensor) -> Tensor:
    """Of da = dg (1 - g²)."""
    return (3 * sizes.function * dg).square()


def _product(sizes: Sizes, dy: Tensor, w: Tensor) -> Tensor:
    """Of the sum over gates of dy wᵀ; dy: (gates, time, 1, batch, hidden), w: (gates, inputs, hidden)."""
    along, back = dy.movedim(0, -2).flatten(-2), w.mT.flatten(0, 1)
    return sizes.product(along, back, times(along, back))


def _rnn(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    a = _tanh(sizes, grads["h"]) + sizes.stored(grads["x"][0])
    return {"a": a[None]}, {"h": _product(sizes, grads["x"], scene.layer.u)}


def _lstm(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    i, f, o = scene.trace["s"]
    g, squashed, before = scene.trace["g"], scene.trace["c"].tanh(), scene.c
    assert before is not None
    dc, dm = grads["c"], grads.get("m", grads["h"])
    factors = (i, dc * g), (f, dc * before), (o, dm * squashed)
    sigmoids = [_sigmoid(sizes, ds, s) for s, ds in factors]
    candidate = _tanh(sizes, dc * i) + (dc * (1 - g.square())).square() * sizes.gate(i)
    through = _tanh(sizes, dm * o) + (dm * (1 - squashed.square())).square() * sizes.gate(o)
    variances = {"a": torch.stack([*sigmoids, candidate]), "c": through + sizes.stored(dc)}
    if scene.layer.p is not None:
        projected = torch.matmul(grads["h"], scene.layer.p.mT)
        variances["m"] = sizes.product(grads["h"], scene.layer.p.mT, projected) + sizes.stored(projected)
    cell = dc.square() * sizes.gate(f) + sizes.stored(dc * f)
    return variances, {"h": _product(sizes, grads["x"], scene.layer.u), "c": cell}


def _gru_gates(scene: LayerTrace, grads: Gradients, sizes: Sizes, dr: Tensor) -> tuple[Tensor, Tensor]:
    """The variances of da of r and z, stacked, and of n."""
    (r, z), n, dh = scene.trace["s"], scene.trace["g"], grads["h"]
    dz = _sigmoid(sizes, dh * (scene.h - n), z)
    dz = dz + sizes.stored(dh * scene.h, dh * n) * (z * (1 - z)).square()
    dn = _tanh(sizes, dh * (1 - z)) + dh.square() * sizes.gate(z) * (1 - n.square()).square()
    return torch.stack([_sigmoid(sizes, dr, r), dz]), dn


def _kept(sizes: Sizes, dh: Tensor, z: Tensor) -> Tensor:
    """Of dh z, what the state that is kept passes on."""
    return dh.square() * sizes.gate(z) + sizes.stored(dh * z)


def _gru_reset_after(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    (r, z), dn = scene.trace["s"], grads["x"][2]
    a, an = _gru_gates(scene, grads, sizes, dn * scene.trace["rec"][2])
    rec = sizes.stored(dn * r) + dn.square() * sizes.gate(r)
    variances = {"a": a, "an": an, "rec": torch.stack([torch.zeros_like(rec), torch.zeros_like(rec), rec])}
    return variances, {"h": _product(sizes, grads["rec"], scene.layer.u) + _kept(sizes, grads["h"], z)}


def _gru_reset_before(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    (r, z), dx, u = scene.trace["s"], grads["x"], scene.layer.u
    d_reset = torch.matmul(dx[2], u[2].mT)
    a, an = _gru_gates(scene, grads, sizes, d_reset * scene.h)
    product = _product(sizes, dx[2:], u[2:])
    reset = torch.stack([product * (scene.h * r * (1 - r)).square(), torch.zeros_like(product)])
    through = r.square() * product + d_reset.square() * sizes.gate(r) + sizes.stored(d_reset * r)
    state = _product(sizes, dx[:2], u[:2]) + through + _kept(sizes, grads["h"], z)
    return {"a": a + reset, "an": an}, {"h": state}


Backward = Callable[[LayerTrace, Gradients, Sizes], tuple[Variances, Variances]]


def backward_of(config: Config) -> Backward:
    """This mode's variances by place, and those of the gradients of the state (h, c) that each step started from."""
    gru = _gru_reset_after if config.reset_after else _gru_reset_before
    return {"RNN_TANH": _rnn, "RNN_RELU": _rnn, "GRU": gru, "LSTM": _lstm}[config.mode]


def input_variance(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> Tensor:
    """Of the gradient of the layer's input, (time, 1, batch, features)."""
    return _product(sizes, grads["x"], scene.layer.w)
