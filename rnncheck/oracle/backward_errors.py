"""How large the rounding errors of the backward pass are, at each place where one is injected.

What the kinds have in common; the rest is beside their equations.

With dq the gradient of a value q. The roundoff of a product of factors is relative to it; that of a derivative is not:
s (1 - s) and 1 - g² are as wrong as the s and g that they are made of, however small they are themselves.
"""

from collections.abc import Mapping

from torch import Tensor

from rnncheck.oracle.error_size import Sizes, times
from rnncheck.oracle.trace import LayerTrace

Variances = Mapping[str, Tensor]
Gradients = Mapping[str, Tensor]
"""place -> gradient of the loss with respect to the value there; "x" is that of the input part of the pre-activations."""


def sigmoid(sizes: Sizes, ds: Tensor, s: Tensor) -> Tensor:
    """Of da = ds s (1 - s)."""
    slope = s * (1 - s)
    return ds.square() * ((3 * sizes.function * slope).square() + (1 - 2 * s).square() * sizes.gate(s))


def tanh(sizes: Sizes, dg: Tensor) -> Tensor:
    """Of da = dg (1 - g²)."""
    return (3 * sizes.function * dg).square()


def product(sizes: Sizes, dy: Tensor, w: Tensor) -> Tensor:
    """Of the sum over gates of dy wᵀ; dy: (gates, time, 1, batch, hidden), w: (gates, inputs, hidden)."""
    along, back = dy.movedim(0, -2).flatten(-2), w.mT.flatten(0, 1)
    return sizes.product(along, back, times(along, back))


def input_variance(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> Tensor:
    """Of the gradient of the layer's input, (time, 1, batch, features)."""
    return product(sizes, grads["x"], scene.layer.w)
