"""Oscillators whose parameters and state are complex numbers, as in diagonal state spaces."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

X, H = Float[Tensor, "batch time units"], Complex[Tensor, "batch units"]


class Oscillators(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.pole = nn.Parameter(torch.polar(torch.full((units,), 0.9), torch.arange(1.0, units + 1)))
        self.into = nn.Parameter(torch.ones(units, dtype=torch.complex64))

    def forward(self, x: X, h: H | None = None) -> tuple[X, H]:
        pole, into = self.read()
        h, outputs = torch.zeros_like(x[:, 0] * into) if h is None else h, []
        for t in range(x.shape[1]):
            h = pole * h + into * x[:, t]
            outputs.append(h.real)
        return torch.stack(outputs, 1), h

    def read(self) -> tuple[Tensor, Tensor]:
        """The parameters as they are computed with."""
        return self.pole, self.into


class InFewerDigits(Oscillators):
    """What is read is rounded to single precision, whatever the dtype."""

    def read(self) -> tuple[Tensor, Tensor]:
        return self.pole.to(torch.complex64).to(self.pole.dtype), self.into.to(torch.complex64).to(self.into.dtype)


class _Conjugated(torch.autograd.Function):
    """The gradient comes back as its complex conjugate."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, d):
        return d.conj()


class WithAConjugatedGradient(Oscillators):
    """The imaginary part of a gradient has the wrong sign."""

    def read(self) -> tuple[Tensor, Tensor]:
        return _Conjugated.apply(self.pole), self.into


class GradientLostBetweenCalls(Oscillators):
    """The imaginary part of the state that is given is cut off from what it came from."""

    def forward(self, x: X, h: H | None = None) -> tuple[X, H]:
        return super().forward(x, h if h is None else torch.complex(h.real, h.imag.detach()))
