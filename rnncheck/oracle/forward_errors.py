"""How large the rounding errors of one time step are: the standard deviation at each place where one is injected.

Computed from the truth's own values, for all steps at once. Errors made at a place where none is injected are carried to the
next one to first order: that of a candidate to the state that it is added to. Those of the sigmoids are injected where they
are made: an error there may be larger than the gate, and meet another one that is larger than what the gate multiplies.
sizes.py says how large one is.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.oracle.equations import Layer
from rnncheck.oracle.error_size import Sizes, times
from rnncheck.oracle.perturbation import SATURATED
from rnncheck.oracle.trace import LayerTrace

Errors = Mapping[str, Tensor]
"""place -> standard deviation (time, 1, batch, size), behind an axis of gates where there is one; NaN where the dtype
overflows."""


def _sums(scene: LayerTrace, sizes: Sizes, layer: Layer, a: Tensor) -> Errors:
    """Of W x + biases, and of U h and the pre-activations a that are the sum of both."""
    rec = a - scene.part
    x = scene.into(sizes, layer.b_ih, layer.b_hh) + sizes.stored(scene.part)
    back = sizes.product(scene.h, layer.u, rec, onto=scene.part) + sizes.stored(rec, a)
    return {"x": sizes.error(x, scene.part), "a": sizes.error(back, rec, a)}


def _gates(sizes: Sizes, s: Tensor) -> Errors:
    """Of the sigmoids; and what those lose that round to 1, under a name of its own."""
    return {"s": sizes.error(sizes.gate(s)), SATURATED: sizes.saturated(s)}


def _rnn(scene: LayerTrace, sizes: Sizes) -> Errors:
    layer, a, h = scene.layer, scene.trace["a"], scene.trace["h"]
    return {**_sums(scene, sizes, layer, a), "h": sizes.error(sizes.tanh(h), h)}


def _lstm(scene: LayerTrace, sizes: Sizes) -> Errors:
    layer, trace = scene.layer, scene.trace
    (i, f, o), g, c = trace["s"], trace["g"], trace["c"]
    before = scene.c
    assert before is not None
    cell = sizes.tanh(i * g) + sizes.stored(f * before, i * g) + (sizes.cell * c).square()
    product = o * c.tanh()
    h = sizes.tanh(product) + sizes.stored(product)
    errors = {**_sums(scene, sizes, layer, trace["a"]), **_gates(sizes, trace["s"]), "c": sizes.error(cell, c)}
    if layer.p is None:
        return errors | {"h": sizes.error(h)}
    projected = sizes.product(trace["m"], layer.p, trace["h"]) + sizes.stored(trace["h"])
    return errors | {"m": sizes.error(h), "h": sizes.error(projected, trace["h"])}


def _gru_state(scene: LayerTrace, sizes: Sizes, z: Tensor) -> Tensor:
    n, h = scene.trace["g"], scene.trace["h"]
    variance = sizes.tanh((1 - z) * n)
    return sizes.error(variance + sizes.stored((1 - z) * n, z * scene.h, z * (scene.h - n), h))


def _gru_reset_after(scene: LayerTrace, sizes: Sizes) -> Errors:
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
    errors = {"x": sizes.error(x, part, sums), "rec": sizes.error(back, rec), **_gates(sizes, trace["s"])}
    return {**errors, "h": _gru_state(scene, sizes, z)}


def _gru_reset_before(scene: LayerTrace, sizes: Sizes) -> Errors:
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
    return {**sums, **_gates(sizes, trace["s"]), "h": _gru_state(scene, sizes, z)}


def together(errors: Errors) -> Errors:
    """With the errors of W x injected where those of U h are: one place less, for which the sum of the variances is enough."""
    if "a" not in errors:
        return errors
    x, gates = errors["x"], len(errors["a"])
    late = {"a": torch.hypot(errors["a"], x[:gates])} | ({"an": torch.hypot(errors["an"], x[gates])} if "an" in errors else {})
    return {place: late.get(place, error) for place, error in errors.items() if place != "x"}


def of_pre_activations(errors: Errors) -> Tensor:
    """The variance of every gate's pre-activation by its own errors, (gates, time, 1, batch, hidden), of errors together."""
    if "rec" in errors:
        return errors["x"].square() + errors["rec"].square()
    return torch.cat([errors["a"], *([errors["an"][None]] if "an" in errors else [])]).square()


def errors_of(config: Config) -> Callable[[LayerTrace, Sizes], Errors]:
    """The error sizes of this mode."""
    gru = _gru_reset_after if config.reset_after else _gru_reset_before
    return {"RNN_TANH": _rnn, "RNN_RELU": _rnn, "GRU": gru, "LSTM": _lstm}[config.mode]
