"""The truth of one strand, kept value by value: what the sizes of its rounding errors are read from."""

import torch
from torch import Tensor

from rnncheck.oracle.equations import Layer, Observer, Through
from rnncheck.oracle.noise import Rhythm
from rnncheck.oracle.problem import Problem
from rnncheck.oracle.sizes import Sizes, times

NEAR = 16
"""How many roundoffs apart two steps may be, and count as the same: sums of close numbers are still rounded alike in part."""


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
