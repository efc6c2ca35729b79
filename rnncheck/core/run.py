"""What a recurrent layer returned, in the one layout that every property reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Run:
    """Output and final states of one call, always (time, batch, features), whatever batch_first or packing said.

    output: (time, batch, directions * state_size), zero after a sequence's own length
    h_n:    (layers * directions, batch, state_size)
    c_n:    (layers * directions, batch, hidden_size), None unless the layer is an LSTM
    """

    output: Tensor
    h_n: Tensor
    c_n: Tensor | None = None

    AXES = {
        "output": ("time", "batch", "features"),
        "h_n": ("layers*directions", "batch", "features"),
        "c_n": ("layers*directions", "batch", "hidden"),
    }

    @property
    def state(self) -> tuple[Tensor, ...]:
        """(h_n,) or (h_n, c_n): what the next call takes as hx."""
        return (self.h_n,) if self.c_n is None else (self.h_n, self.c_n)

    @property
    def states(self) -> dict[str, Tensor]:
        """The final states by their letters: h, and c where there is one."""
        return dict(zip("hc", self.state, strict=False))

    def parts(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of everything that is there."""
        yield "output", self.output
        yield "h_n", self.h_n
        if self.c_n is not None:
            yield "c_n", self.c_n

    def map(self, f: Callable[[Tensor], Tensor]) -> "Run":
        """f applied to each tensor."""
        return Run(f(self.output), f(self.h_n), None if self.c_n is None else f(self.c_n))
