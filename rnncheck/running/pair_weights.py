"""The weights of a case: as the reference draws them, larger, or with gates that forget slowly."""

from math import log

import torch
from torch import Tensor, nn

LARGER = 3.0
"""By how much large weights are larger."""
SLOW = (nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNN)
"""Layers whose memory is known to be lengthened."""
LEAST = 8
"""Steps over which long weights remember at least."""


def can_forget_slowly(model: nn.Module) -> bool:
    """Whether there is a layer in it whose memory can be lengthened."""
    return any(isinstance(module, SLOW) and module.bias for module in model.modules())


def changed(model: nn.Module, weights: str, steps: int) -> dict[str, Tensor]:
    """Return the model's state_dict, float64, with its numbers changed; it remembers over ``long`` steps."""
    found = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if weights == "large":
        trained = {name for name, _ in model.named_parameters()}
        return {name: value * LARGER if name in trained and value.is_floating_point() else value for name, value in found.items()}
    if weights == "long":
        for path, module in model.named_modules():
            if isinstance(module, SLOW) and module.bias:
                _lengthen(module, f"{path}." if path else "", found, max(steps, LEAST))
    return found


def _lengthen(module: nn.Module, path: str, found: dict[str, Tensor], steps: int) -> None:
    """Let the layer take the mean over its steps: each adds one part in ``steps``, and as much of what was there is forgotten.

    A network without gates hands its state on as it is, and adds little to it.
    """
    for name, _ in module.named_parameters():
        value = found[path + name]
        if isinstance(module, nn.RNN):
            _hand_on(name, value, steps)
        elif name.startswith("bias_ih"):
            size, lstm = value.shape[0], isinstance(module, nn.LSTM | nn.LSTMCell)
            gate = size // (4 if lstm else 3)
            value[gate : 2 * gate] += log(steps)
            if lstm:
                value[:gate] -= log(steps)


def _hand_on(name: str, value: Tensor, steps: int) -> None:
    if name.startswith("weight_hh"):
        value.copy_(torch.eye(*value.shape, dtype=value.dtype))
    elif name.startswith("weight_ih"):
        value.div_(steps)
    elif name.startswith("bias"):
        value.zero_()
