"""Leaky sums whose decays are made in float32 whatever the dtype is, as mixed precision wants it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def leaky_sum(x: Tensor, decay: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
    h, outputs = torch.zeros_like(x[:, 0]) if h is None else h, []
    for t in range(x.shape[1]):
        h = decay[:, t] * h + x[:, t]
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def of_a_gate(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    return leaky_sum(x, gate.float().sigmoid().to(x.dtype), h0)


class OfARate(nn.Module):
    """Its parameter is the logarithm of a rate, as in Mamba."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.log_rate = nn.Parameter(torch.arange(1.0, units + 1).log())

    def forward(self, x: X, h0: H | None = None) -> tuple[X, H]:
        return leaky_sum(x, (-self.log_rate.float().exp()).exp().to(x.dtype).expand_as(x), h0)


class _Sigmoid(torch.autograd.Function):
    """In float32, with a gradient that is a quarter too large."""

    @staticmethod
    def forward(ctx, x):
        y = x.float().sigmoid().to(x.dtype)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, d):
        (y,) = ctx.saved_tensors
        return 1.25 * d * y * (1 - y)


def with_a_wrong_gradient(x: X, gate: X, h0: H | None = None) -> tuple[X, H]:
    return leaky_sum(x, _Sigmoid.apply(gate), h0)


def in_full(x: X, h0: H | None = None) -> tuple[X, H]:
    return leaky_sum(x, torch.full_like(x, 0.75), h0)


def kept_in(x: X, h0: H | None, dtype: torch.dtype) -> tuple[X, H]:
    """The state is rounded at each step."""
    h, outputs = torch.zeros_like(x[:, 0]) if h0 is None else h0, []
    for now in x.unbind(1):
        h = (0.75 * h + now).to(dtype).to(x.dtype)
        outputs.append(h)
    return torch.stack(outputs, 1), h.clone()


def kept_in_float32(x: X, h0: H | None = None) -> tuple[X, H]:
    return kept_in(x, h0, torch.float32)


def kept_in_bfloat16(x: X, h0: H | None = None) -> tuple[X, H]:
    return kept_in(x, h0, torch.bfloat16)


class BackInBfloat16(torch.autograd.Function):
    """The same numbers; their gradients are rounded."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, d):
        return d.bfloat16().to(d.dtype)


def graded_in_bfloat16(x: X, h0: H | None = None) -> tuple[X, H]:
    return in_full(BackInBfloat16.apply(x), h0)
