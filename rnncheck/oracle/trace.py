"""The truth of one strand, kept value by value: what the sizes of its rounding errors are read from."""

import torch
from torch import Tensor

from rnncheck.oracle.equations import Layer, Observer, Through
from rnncheck.oracle.error_size import Sizes, times


class Trace(Through):
    """Keeps every value it sees."""

    def __init__(self, inner: Observer | None = None) -> None:
        super().__init__(inner)
        self.values: dict[str, dict[int, Tensor]] = {}
        self._stacked: dict[str, Tensor] = {}

    def __call__(self, place: str, time: int, value: Tensor) -> Tensor:
        value = self.inner(place, time, value)
        if place != "operand":
            self.values.setdefault(place, {})[time] = value
            self._stacked.pop(place, None)
        return value

    def __getitem__(self, place: str) -> Tensor:
        """All steps of a place, (time, copies, batch, size), behind an axis of gates where there is one."""
        if place not in self._stacked:
            steps = self.values[place]
            self._stacked[place] = torch.stack([steps[time] for time in range(len(steps))], dim=-4 if steps[0].dim() > 3 else 0)
        return self._stacked[place]

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


class LayerTrace:
    """The truth of one strand, for the error sizes to be read from.

    x: (time, 1, batch, features); h, c: the state each step started from, (time, 1, batch, size);
    part: W x + biases, (gates, time, 1, batch, hidden); layer, trace.
    """

    def __init__(self, layer: Layer, trace: Trace, x: Tensor, h: Tensor, c: Tensor | None) -> None:
        self.layer, self.trace, self.x, self.h, self.c = layer, trace, x, h, c
        self.part = trace["x"]

    def spread(self, x: Tensor, h: Tensor, own: Tensor, sizes: Sizes) -> Tensor:
        """The largest variance of a pre-activation, (time, batch), from those of x, of h and of its own error.

        x, h: (time, 1, batch, size); own: (gates, time, 1, batch, hidden). The errors of different features are taken as
        independent. Units that stay saturated to within a roundoff do not count.
        """
        total = times(x, self.layer.w.square()) + times(h, self.layer.u.square()) + own
        return sizes.unsaturated(self.pre_activations(), total).amax(dim=(0, -1)).squeeze(1)

    def pre_activations(self) -> Tensor:
        """Of all gates, (gates, time, 1, batch, hidden)."""
        a = self.trace["a"]
        return torch.cat([a, self.trace["an"][None]]) if "an" in self.trace.values else a

    def into(self, sizes: Sizes, *biases: Tensor) -> Tensor:
        """The variance of W x + biases, (gates, time, 1, batch, hidden)."""
        return sizes.product(self.x, self.layer.w, self.part, *(bias[:, None] for bias in biases))
