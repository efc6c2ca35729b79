"""Complex numbers as pairs of their real and imaginary parts, and back."""

import torch
from torch import Tensor


def in_pairs(value: Tensor) -> Tensor:
    """Return complex numbers as pairs along an axis of their own, the last; real ones as they are.

    >>> in_pairs(torch.tensor([1 + 2j])), in_pairs(torch.tensor([3.0]))
    (tensor([[1., 2.]]), tensor([3.]))
    """
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def as_type_of(value: Tensor, pairs: Tensor) -> Tensor:
    """Return pairs as complex numbers, where ``value`` is complex.

    >>> as_type_of(torch.tensor([1j]), torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    return torch.view_as_complex(pairs.contiguous()) if value.is_complex() else pairs


def widest(value: Tensor) -> Tensor:
    """Return the numbers in as many digits as there are; complex ones stay complex."""
    return value.to(torch.complex128 if value.is_complex() else torch.float64)
