"""The oracle's Elman network: one step in float64, the size of its rounding errors, and of its backward pass's."""

from torch import Tensor

from rnncheck.oracle import backward_errors as backward
from rnncheck.oracle import forward_errors as forward
from rnncheck.oracle.backward_errors import Gradients, Variances
from rnncheck.oracle.equations import Layer, Observer, State, add_product
from rnncheck.oracle.error_size import Sizes
from rnncheck.oracle.forward_errors import Errors
from rnncheck.oracle.trace import LayerTrace


def rnn_tanh(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Elman: h' = tanh(W x + b_ih + U h + b_hh)."""
    a = see("a", t, add_product(x, see("operand", t, h), layer.u))
    return see("h", t, see("g", t, see.tanh(a[0]))), None


def rnn_relu(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor | None, see: Observer) -> State:
    """Elman with a rectifier: h' = max(0, W x + b_ih + U h + b_hh)."""
    a = see("a", t, add_product(x, see("operand", t, h), layer.u))
    return see("h", t, see("g", t, see.relu(a[0]))), None


def errors(scene: LayerTrace, sizes: Sizes) -> Errors:
    """Return the size of the rounding errors at each place."""
    layer, a, h = scene.layer, scene.trace["a"], scene.trace["h"]
    return {**forward.sums(scene, sizes, layer, a), "h": sizes.error(sizes.tanh(h), h)}


def backward_variances(scene: LayerTrace, grads: Gradients, sizes: Sizes) -> tuple[Variances, Variances]:
    """Return the variances of the backward pass by place, and those of the gradients of the states before each step."""
    a = backward.tanh(sizes, grads["h"]) + sizes.stored(grads["x"][0])
    return {"a": a[None]}, {"h": backward.product(sizes, grads["x"], scene.layer.u)}
