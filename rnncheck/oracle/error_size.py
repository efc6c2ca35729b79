"""How large one rounding error is, of each kind of operation: its variance under a model of rounding.

A matrix product of n terms with roundoff u, of which A is the sum of the terms' absolute values, S the sum and Q the sum
of squares:

    error² = u² (A² (log2 n + 2) / 4 + A² n / 72 + S² n / 18 + S² (m / 4)²) + (2 operand)² (Q + S²),    m = S² / Q

The first term is that of pairwise and blocked summation: the roundings on the way of a term to the sum, each relative to
a partial sum (Blanchard, Higham, Mary 2020). The next two are those of a plain loop (Higham and Mary 2019: sqrt(n) u): its n
roundings are relative to partial sums, which climb to S if all terms have one sign, and to A / 2 and back if the
positive ones come first; the sums of their squares are n S² / 3 and n A² / 12, and a rounding error uniform in half an ulp
has the variance u² / 6 of them. The fourth is that of equal terms, as constant inputs and weights have: every addition between
two powers of 2 makes the same error, so errors add up in proportion to n, to n u S / 2 at worst, and to n u S where the sum
begins with a larger number; 3.8 sigma are allowed (spread.py). m counts them: n for n equal terms, near 1 for terms of either
sign. The last: both operands of every product were rounded before; that they are so the same way at every step is in noise.py.

Kernels sum every second, fourth or eighth term by itself, one in each lane of a vector register. Terms whose signs alternate are
alike in every lane, though they cancel in the whole. So S is the larger of the sum and of what it is with every second term
turned round, which is what the even and the odd terms come to: max(|a + b|, |a - b|) = |a| + |b|. Of random terms both are small.

A sum may begin with what the product is added to (addmm, beta = 1). Every later rounding is then relative to that as well, so
it counts as one more term, of A and of S.
"""

import math

import torch
from torch import Tensor

from rnncheck.oracle.rounding import Rounding

CLOSE = 32
"""A gate within this many roundoffs of 1 is rounded to few different numbers, whatever its pre-activation does."""

FEW = 16
"""The errors of this many terms, all of one sign, stay within the allowed error anyway: a quarter of their number times u A."""


def times(x: Tensor, w: Tensor) -> Tensor:
    """x w, as one product over all rows; x: (time, 1, batch, terms), w: (terms, size), with gates in front or not."""
    flat = x.flatten(-4, -2)
    gated = flat if flat.dim() == w.dim() else flat.expand(len(w), -1, -1)
    return torch.matmul(gated, w).unflatten(-2, x.shape[-4:-1])


def summation(terms: int, size: Tensor, total: Tensor, product: Tensor, squares: Tensor) -> Tensor:
    """The variance of a sum in units of u², from A, S (as it is and without what it began with) and Q."""
    lost = size.mul(2.0**-48).square_().clamp_(min=torch.finfo(torch.float64).tiny)  # what float64 left of 0
    alike = product.square().div_(torch.maximum(squares, lost)).clamp_(max=terms)
    of_total = alike.square_().div_(16).add_(terms / 18)
    return of_total.mul_(total.square()).add_(size.square(), alpha=(math.log2(terms) + 2) / 4 + terms / 72)


def alternated(x: Tensor, w: Tensor) -> Tensor:
    """|x w| with the sign of every second term turned round."""
    signs = x.new_ones(x.shape[-1])
    signs[1::2] = -1.0
    return times(x * signs, w).abs_()


class Sizes:
    """The sizes of rounding errors under one model; every method returns variances, and error() their root."""

    def __init__(self, rounding: Rounding) -> None:
        self.rounding = rounding
        # the float64 truth rounds too: what is allowed is the difference of the two
        self.store = math.hypot(rounding.store, 2.0**-53)
        self.cell = math.hypot(rounding.cell, 2.0**-53)
        self.accumulate = math.hypot(rounding.accumulate, 2.0**-53)
        self.function = rounding.function + self.store

    def product(self, x: Tensor, w: Tensor, value: Tensor, *added: Tensor, onto: Tensor | None = None) -> Tensor:
        """Of x w + added; x: (time, 1, batch, terms), w: (terms, size), both with gates in front or not; value: x w + added.

        onto: what the sum may begin with, beside these.
        """
        begin = () if onto is None else (onto,)
        size, squares, product, total = times(x.abs(), w.abs()), times(x.square(), w.square()), value, value.abs()
        for summand in (*added, *begin):
            size += summand.abs()
        for summand in added:
            product = product - summand
        if onto is not None:
            total = torch.maximum(total, (value + onto).abs_())
        over = size > self.rounding.overflow
        terms = w.shape[-2] + len(added) + len(begin)
        if w.shape[-2] > FEW:
            in_lanes = alternated(x, w)
            total, product = torch.maximum(total, in_lanes), torch.maximum(product.abs(), in_lanes)
        variance = summation(terms, size, total, product, squares).mul_(self.accumulate**2)
        if self.rounding.operand:
            squares += value.square()
            for summand in added:
                squares += summand.square()
            variance.add_(squares, alpha=(2 * self.rounding.operand) ** 2)
            over |= self._overflowing(x, w)
        variance.masked_fill_(over, math.nan)  # a part of the sum may overflow, whatever the whole is
        return variance + self.stored(*added) if added else variance

    def _overflowing(self, x: Tensor, w: Tensor) -> Tensor:
        """Where an operand cannot be rounded: too large for the dtype, which autocast does not ask."""
        of_x, of_w = (x.abs() > self.rounding.overflow).any(-1, keepdim=True), (w.abs() > self.rounding.overflow).any(-2)
        return of_x | (of_w[:, None, None, None] if w.dim() > 2 else of_w)

    def stored(self, *values: Tensor) -> Tensor:
        """Of keeping these values."""
        total = values[0].square() if values else torch.zeros((), dtype=torch.float64, device="cpu")
        for value in values[1:]:
            total = total + value.square()
        return total * self.store**2

    def gate(self, s: Tensor) -> Tensor:
        """Of a sigmoid: a function's relative error, and half of 1's roundoff, as (1 + tanh(x / 2)) / 2 has."""
        return (self.function * s + self.store / 2).square()

    def saturated(self, s: Tensor) -> Tensor:
        """What a gate within CLOSE roundoffs of 1 may lose at every step with the same sign (the error itself, no variance): all
        that it lacks of 1, or a roundoff. Of other gates 0."""
        lost = (1 - s).clamp(min=2.0**-53)
        return torch.where(lost < CLOSE * self.store, lost.clamp(max=self.store), 0.0)

    def tanh(self, value: Tensor) -> Tensor:
        """Of a tanh, relative to its value."""
        return (self.function * value).square()

    def unsaturated(self, a: Tensor, variance: Tensor) -> Tensor:
        """variance, 0 where a gate of pre-activation a stays within a roundoff of saturation."""
        edge = 2 - math.log(self.store)
        return torch.where(a.abs() - 8 * variance.sqrt() > edge, 0.0, variance)

    def error(self, variance: Tensor, *values: Tensor) -> Tensor:
        """The root of the variance, never below underflow, NaN where one of the values overflows."""
        error = variance.sqrt() + self.rounding.underflow
        for value in values:
            error = error.masked_fill(value.abs() + error > self.rounding.overflow, math.nan)
        return error
