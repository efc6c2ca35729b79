"""The oracle's GRU in both of its forms: one step in float64, the size of its rounding errors, and of its backward pass's."""

import torch
from torch import Tensor

from rnncheck.oracle import backward_errors as backward
from rnncheck.oracle import forward_errors as forward
from rnncheck.oracle.backward_errors import Gradients, Variances
from rnncheck.oracle.equations import Layer, Observer, State, add_product
from rnncheck.oracle.error_size import Sizes, times
from rnncheck.oracle.forward_errors import Errors
from rnncheck.oracle.trace import LayerTrace, Trace


def reset_after(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """torch, cuDNN: n = tanh(W x + b_in + r * (U h + b_hn)); h' = (1 - z) * n + z * h."""
    rec = see("rec", t, add_product(layer.b_hh.expand(-1, *h.shape[:2], -1), see("operand", t, h), layer.u))
    r, z = see("s", t, see.sigmoid(see("a", t, x[:2] + rec[:2])))
    n = see("g", t, see.tanh(see("an", t, torch.addcmul(x[2], r, rec[2]))))
    return see("h", t, torch.addcmul((1 - z) * n, z, h)), None


def reset_before(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Cho et al. 2014: n = tanh(W x + b_in + U (r * h) + b_hn); h' = (1 - z) * n + z * h."""
    r, z = see("s", t, see.sigmoid(see("a", t, add_product(x[:2], see("operand", t, h), layer.u[:2]))))
    n = see("g", t, see.tanh(see("an", t, add_product(x[2:], see("operand", t, r * h), layer.u[2:])[0])))
    return see("h", t, torch.addcmul((1 - z) * n, z, h)), None


def _state_error(scene: LayerTrace, sizes: Sizes, z: Tensor) -> Tensor:
    n, h = scene.trace["g"], scene.trace["h"]
    variance = sizes.tanh((1 - z) * n)
    return sizes.error(variance + sizes.stored((1 - z) * n, z * scene.h, z * (scene.h - n), h))


def errors_reset_after(scene: LayerTrace, sizes: Sizes) -> Errors:
    """Return the size of the rounding errors at each place."""
    layer, trace, part = scene.layer, scene.trace, scene.part
    rec, a, an = trace["rec"], trace["a"], trace["an"]
    r, z = trace["s"]
    into = scene.into(sizes, layer.b_ih) + sizes.stored(part)
    beside = torch.cat([part[:2], torch.zeros_like(part[2:])])  # r and z may be summed up in one go
    back = sizes.product(scene.h, layer.u, rec, layer.b_hh[:, None], onto=beside) + sizes.stored(rec)
    gates = into[:2] + sizes.stored(a)
    reset = r * rec[2]
    candidate = into[2] + sizes.stored(reset, an)
    x = torch.cat([gates, candidate[None]])
    sums = torch.cat([a, an[None]])
    errors = {"x": sizes.error(x, part, sums), "rec": sizes.error(back, rec), **forward.gates(sizes, trace["s"])}
    return {**errors, "h": _state_error(scene, sizes, z)}


def errors_reset_before(scene: LayerTrace, sizes: Sizes) -> Errors:
    """Return the size of the rounding errors at each place."""
    layer, trace, part = scene.layer, scene.trace, scene.part
    a, an = trace["a"], trace["an"]
    r, z = trace["s"]
    u, un = layer.u[:2], layer.u[2]
    rec, rec_n = a - part[:2], an - part[2]
    into = scene.into(sizes, layer.b_ih, layer.b_hh) + sizes.stored(part)
    gates = sizes.product(scene.h, u, rec, onto=part[:2]) + sizes.stored(rec, a)
    through = times(sizes.stored(r * scene.h), un.square())
    candidate = sizes.product(r * scene.h, un, rec_n, onto=part[2]) + through + sizes.stored(rec_n, an)
    sums = {"x": sizes.error(into, part), "a": sizes.error(gates, a), "an": sizes.error(candidate, an)}
    return {**sums, **forward.gates(sizes, trace["s"]), "h": _state_error(scene, sizes, z)}


def _gate_variances(scene: LayerTrace, grads: Gradients, sizes: Sizes, dr: Tensor) -> tuple[Tensor, Tensor]:
    """The variances of da of r and z, stacked, and of n."""
    (r, z), n, dh = scene.trace["s"], scene.trace["g"], grads["h"]
    dz = backward.sigmoid(sizes, dh * (scene.h - n), z)
    dz = dz + sizes.stored(dh * scene.h, dh * n) * (z * (1 - z)).square()
    dn = backward.tanh(sizes, dh * (1 - z)) + dh.square() * sizes.gate(z) * (1 - n.square()).square()
    return torch.stack([backward.sigmoid(sizes, dr, r), dz]), dn


def _kept(sizes: Sizes, dh: Tensor, z: Tensor) -> Tensor:
    """Of dh z, what the state that is kept passes on."""
    return dh.square() * sizes.gate(z) + sizes.stored(dh * z)


def backward_reset_after(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    """Return the variances of the backward pass by place, and those of the gradient of the h before each step."""
    (r, z), dn = scene.trace["s"], grads["x"][2]
    a, an = _gate_variances(scene, grads, sizes, dn * scene.trace["rec"][2])
    rec = sizes.stored(dn * r) + dn.square() * sizes.gate(r)
    variances = {"a": a, "an": an, "rec": torch.stack([torch.zeros_like(rec), torch.zeros_like(rec), rec])}
    return variances, {"h": backward.product(sizes, grads["rec"], scene.layer.u) + _kept(sizes, grads["h"], z)}


def backward_reset_before(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    """Return the variances of the backward pass by place, and those of the gradient of the h before each step."""
    (r, z), dx, u = scene.trace["s"], grads["x"], scene.layer.u
    d_reset = torch.matmul(dx[2], u[2].mT)
    a, an = _gate_variances(scene, grads, sizes, d_reset * scene.h)
    product = backward.product(sizes, dx[2:], u[2:])
    reset = torch.stack([product * (scene.h * r * (1 - r)).square(), torch.zeros_like(product)])
    through = r.square() * product + d_reset.square() * sizes.gate(r) + sizes.stored(d_reset * r)
    state = backward.product(sizes, dx[:2], u[:2]) + through + _kept(sizes, grads["h"], z)
    return {"a": a + reset, "an": an}, {"h": state}


def multiplied_reset_before(h: Tensor, trace: Trace) -> Tensor:
    """Return what U multiplies for each gate: the candidate's is multiplied with r * h."""
    return torch.stack([h, h, trace["s"][0].detach() * h])
