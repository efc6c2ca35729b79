"""The oracle's LSTM: one step in float64, the size of its rounding errors, and of its backward pass's."""

import torch
from torch import Tensor

from rnncheck.oracle import backward_errors as backward
from rnncheck.oracle import forward_errors as forward
from rnncheck.oracle.backward_errors import Gradients, Variances
from rnncheck.oracle.equations import Layer, Observer, State, add_product
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.forward_errors import Errors
from rnncheck.oracle.trace import LayerTrace


def step(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
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


def errors(scene: LayerTrace, sizes: Sizes) -> Errors:
    """Return the size of the rounding errors at each place."""
    layer, trace = scene.layer, scene.trace
    (i, f, o), g, c = trace["s"], trace["g"], trace["c"]
    before = scene.c
    assert before is not None
    cell = sizes.tanh(i * g) + sizes.stored(f * before, i * g) + (sizes.cell * c).square()
    product = o * c.tanh()
    h = sizes.tanh(product) + sizes.stored(product)
    errors = {**forward.sums(scene, sizes, layer, trace["a"]), **forward.gates(sizes, trace["s"]), "c": sizes.error(cell, c)}
    if layer.p is None:
        return errors | {"h": sizes.error(h)}
    projected = sizes.product(trace["m"], layer.p, trace["h"]) + sizes.stored(trace["h"])
    return errors | {"m": sizes.error(h), "h": sizes.error(projected, trace["h"])}


def backward_variances(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    """Return the variances of the backward pass by place, and those of the gradients of the states before each step."""
    i, f, o = scene.trace["s"]
    g, squashed, before = scene.trace["g"], scene.trace["c"].tanh(), scene.c
    assert before is not None
    dc, dm = grads["c"], grads.get("m", grads["h"])
    factors = (i, dc * g), (f, dc * before), (o, dm * squashed)
    sigmoids = [backward.sigmoid(sizes, ds, s) for s, ds in factors]
    candidate = backward.tanh(sizes, dc * i) + (dc * (1 - g.square())).square() * sizes.gate(i)
    through = backward.tanh(sizes, dm * o) + (dm * (1 - squashed.square())).square() * sizes.gate(o)
    variances = {"a": torch.stack([*sigmoids, candidate]), "c": through + sizes.stored(dc)}
    if scene.layer.p is not None:
        projected = torch.matmul(grads["h"], scene.layer.p.mT)
        variances["m"] = sizes.product(grads["h"], scene.layer.p.mT, projected) + sizes.stored(projected)
    cell = dc.square() * sizes.gate(f) + sizes.stored(dc * f)
    return variances, {"h": backward.product(sizes, grads["x"], scene.layer.u), "c": cell}
