"""How large the rounding errors of one time step are: the standard deviation at each place where one is injected.

Computed from the truth's own values, for all steps at once. Errors made at a place where none is injected are carried to the
next one to first order: that of a candidate to the state that it is added to. Those of the sigmoids are injected where they
are made: an error there may be larger than the gate, and meet another one that is larger than what the gate multiplies.

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

A sum may begin with what the product is added to (addmm, beta = 1). Every later rounding is then relative to that as well, so
it counts as one more term, of A and of S.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnncheck.config import Config
from rnncheck.oracle.equations import Layer, Observer, Through
from rnncheck.oracle.noise import Rhythm
from rnncheck.oracle.problem import Problem
from rnncheck.oracle.rounding import Rounding

NEAR = 16
"""How many roundoffs apart two steps may be, and count as the same: sums of close numbers are still rounded alike in part."""

Errors = Mapping[str, Tensor]
"""place -> standard deviation (time, 1, batch, size), behind an axis of gates where there is one; NaN where the dtype
overflows."""


class Trace(Through):
    """Keeps every value it sees."""

    def __init__(self, inner: Observer | None = None) -> None:
        super().__init__(inner)
        self.values: dict[str, dict[int, Tensor]] = {}

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = self.inner(place, time, value)
        if place != "operand":
            self.values.setdefault(place, {})[time] = value
        return value

    def __getitem__(self, place: str) -> Tensor:
        """All steps of a place, (time, copies, batch, size), behind an axis of gates where there is one."""
        steps = self.values[place]
        return torch.stack([steps[time] for time in range(len(steps))], dim=-4 if steps[0].dim() > 3 else 0)

    def detached(self) -> "Trace":
        """The same values, cut from the graph."""
        other = Trace()
        other.values = {place: {t: v.detach() for t, v in steps.items()} for place, steps in self.values.items()}
        return other

    def before(self, place: str, start: Tensor, reverse: bool, valid: Tensor | None) -> Tensor:
        """The state that each step started from, (time, copies, batch, size)."""
        states = self[place]
        if valid is not None:
            states = torch.where(valid.unsqueeze(1), states, start)
        first = start.unsqueeze(0)
        return torch.cat([states[1:], first] if reverse else [first, states[:-1]])


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
        variance = summation(terms, size, total, product, squares).mul_(self.accumulate**2)
        if self.rounding.operand:
            squares += value.square()
            for summand in added:
                squares += summand.square()
            variance.add_(squares, alpha=(2 * self.rounding.operand) ** 2)
            over |= self._overflowing(x, w)
        if self.rounding.overflow < torch.finfo(torch.float32).max:
            variance.masked_fill_(over, math.nan)
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


class Scene:
    """The truth of one strand, for the error sizes to be read from.

    x: (time, 1, batch, features); h, c: the state each step started from, (time, 1, batch, size);
    part: W x + biases, (gates, time, 1, batch, hidden); layer, trace.
    """

    def __init__(self, layer: Layer, trace: Trace, x: Tensor, h: Tensor, c: Tensor | None) -> None:
        self.layer, self.trace, self.x, self.h, self.c = layer, trace, x, h, c
        self.part = trace["x"]

    @classmethod
    def of(cls, problem: Problem, index: int, x: Tensor, trace: Trace) -> "Scene":
        """Of a strand that ran over x and was seen by trace."""
        h, c = problem.start(index)
        reverse, valid = problem.reverse(index), problem.validity(index)
        cells = None if c is None else trace.before("c", c, reverse, valid)
        return cls(problem.layers[index], trace, x, trace.before("h", h, reverse, valid), cells)

    def spread(self, x: Tensor, h: Tensor, own: Tensor, sizes: Sizes) -> Tensor:
        """The largest variance of a pre-activation, (time, batch), from those of x, of h and of its own error.

        x, h: (time, 1, batch, size); own: (gates, time, 1, batch, hidden). The errors of different features are taken as
        independent. Units that stay saturated to within a roundoff do not count.
        """
        total = times(x, self.layer.w.square()) + times(h, self.layer.u.square()) + own
        return sizes.unsaturated(self.pre_activations(), total).amax(dim=(0, -1)).squeeze(1)

    def rhythm(self, sizes: Sizes) -> Rhythm:
        """Which rows make the same rounding errors at which steps.

        Those of a steady state, or of a cycle of two, differ by a few roundoffs in every pre-activation: their errors are
        no more independent than they are, and add up in proportion to the number of steps instead of its root.
        """
        a = self.pre_activations().squeeze(2).transpose(0, 1)  # time, gates, batch, hidden
        if not a.numel():
            return [{}] * len(a)
        near = NEAR * sizes.store * a.abs().amax(dim=(1, 3)).clamp(min=sizes.rounding.underflow)
        steady, cycle = self._repeated(a, near, 1), self._repeated(a, near, 2)
        cycle &= ~steady
        some = torch.stack([steady.any(1), cycle.any(1)], dim=1).tolist()
        kinds = [((0, steady[t]), (1 + t % 2, cycle[t])) for t in range(len(a))]
        return [
            {number: rows[:, None] for here, (number, rows) in zip(some[t], kinds[t], strict=True) if here} for t in range(len(a))
        ]

    def _repeated(self, a: Tensor, near: Tensor, lag: int) -> Tensor:
        """(time, batch): whether a row's step is one of two that are the same, so many steps apart."""
        same = (a[lag:] - a[:-lag]).abs().amax(dim=(1, 3)) <= near[lag:]
        found = torch.zeros_like(near, dtype=torch.bool)
        found[lag:] = same
        found[: len(same)] |= same
        return found

    def pre_activations(self) -> Tensor:
        """Of all gates, (gates, time, 1, batch, hidden)."""
        a = self.trace["a"]
        return torch.cat([a, self.trace["an"][None]]) if "an" in self.trace.values else a

    def into(self, sizes: Sizes, *biases: Tensor) -> Tensor:
        """The variance of W x + biases, (gates, time, 1, batch, hidden)."""
        return sizes.product(self.x, self.layer.w, self.part, *(bias[:, None] for bias in biases))


def _sums(scene: Scene, sizes: Sizes, layer: Layer, a: Tensor) -> Errors:
    """Of W x + biases, and of U h and the pre-activations a that are the sum of both."""
    rec = a - scene.part
    x = scene.into(sizes, layer.b_ih, layer.b_hh) + sizes.stored(scene.part)
    back = sizes.product(scene.h, layer.u, rec, onto=scene.part) + sizes.stored(rec, a)
    return {"x": sizes.error(x, scene.part), "a": sizes.error(back, rec, a)}


def _rnn(scene: Scene, sizes: Sizes) -> Errors:
    layer, a, h = scene.layer, scene.trace["a"], scene.trace["h"]
    return {**_sums(scene, sizes, layer, a), "h": sizes.error(sizes.tanh(h), h)}


def _lstm(scene: Scene, sizes: Sizes) -> Errors:
    layer, trace = scene.layer, scene.trace
    (i, f, o), g, c = trace["s"], trace["g"], trace["c"]
    before = scene.c
    assert before is not None
    cell = sizes.tanh(i * g) + sizes.stored(f * before, i * g) + (sizes.cell * c).square()
    product = o * c.tanh()
    h = sizes.tanh(product) + sizes.stored(product)
    gates = sizes.error(sizes.gate(trace["s"]))
    errors = {**_sums(scene, sizes, layer, trace["a"]), "s": gates, "c": sizes.error(cell, c)}
    if layer.p is None:
        return errors | {"h": sizes.error(h)}
    projected = sizes.product(trace["m"], layer.p, trace["h"]) + sizes.stored(trace["h"])
    return errors | {"m": sizes.error(h), "h": sizes.error(projected, trace["h"])}


def _gru_state(scene: Scene, sizes: Sizes, z: Tensor) -> Tensor:
    n, h = scene.trace["g"], scene.trace["h"]
    variance = sizes.tanh((1 - z) * n)
    return sizes.error(variance + sizes.stored((1 - z) * n, z * scene.h, z * (scene.h - n), h))


def _gru_reset_after(scene: Scene, sizes: Sizes) -> Errors:
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
    gates = sizes.error(sizes.gate(trace["s"]))
    errors = {"x": sizes.error(x, part, sums), "rec": sizes.error(back, rec), "s": gates}
    return {**errors, "h": _gru_state(scene, sizes, z)}


def _gru_reset_before(scene: Scene, sizes: Sizes) -> Errors:
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
    return {**sums, "s": sizes.error(sizes.gate(trace["s"])), "h": _gru_state(scene, sizes, z)}


def together(errors: Errors) -> Errors:
    """With the errors of U h injected where those of W x are: one place less, for which the sum of the variances is enough."""
    late = [errors[place] for place in ("a", "an") if place in errors]
    if not late:
        return errors
    back = torch.cat([error if error.dim() > 4 else error[None] for error in late])
    rest = {place: error for place, error in errors.items() if place not in ("a", "an")}
    return {**rest, "x": torch.hypot(errors["x"], back)}


def errors_of(config: Config) -> Callable[[Scene, Sizes], Errors]:
    """The error sizes of this mode."""
    gru = _gru_reset_after if config.reset_after else _gru_reset_before
    return {"RNN_TANH": _rnn, "RNN_RELU": _rnn, "GRU": gru, "LSTM": _lstm}[config.mode]
