"""How large the rounding errors of one time step are: the standard deviation at each place where one is injected.

What the kinds have in common; the rest is beside their equations.

Computed from the truth's own values, for all steps at once. Errors made at a place where none is injected are carried to the
next one to first order: that of a candidate to the state that it is added to. Those of the sigmoids are injected where they
are made: an error there may be larger than the gate, and meet another one that is larger than what the gate multiplies.
error_size.py says how large one is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from rnncheck.oracle.equations import Layer
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.perturbation import SATURATED
from rnncheck.oracle.trace import LayerTrace

Errors = Mapping[str, Tensor]
"""place -> standard deviation (time, 1, batch, size), behind an axis of gates where there is one; NaN where the dtype
overflows."""


def sums(scene: LayerTrace, sizes: Sizes, layer: Layer, a: Tensor) -> Errors:
    """Of W x + biases, and of U h and the pre-activations a that are the sum of both."""
    rec = a - scene.part
    x = scene.into(sizes, layer.b_ih, layer.b_hh) + sizes.stored(scene.part)
    back = sizes.product(scene.h, layer.u, rec, onto=scene.part) + sizes.stored(rec, a)
    return {"x": sizes.error(x, scene.part), "a": sizes.error(back, rec, a)}


def gates(sizes: Sizes, s: Tensor) -> Errors:
    """Of the sigmoids; and what those lose that round to 1, under a name of its own."""
    return {"s": sizes.error(sizes.gate(s)), SATURATED: sizes.saturated(s)}


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
