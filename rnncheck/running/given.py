"""What goes into a trial: the case's tensors, and what a property draws beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.pairs import as_type_of, in_pairs
from rnncheck.core.values import Values, generator


@dataclass(frozen=True)
class Tensors:
    """What goes into a run: input (time, batch, input_size), state as a Run's, parameters by name, lengths."""

    x: Tensor
    state: tuple[Tensor, ...] | None
    parameters: Mapping[str, Tensor]
    lengths: tuple[int, ...] | None


class Given:
    """The tensors of a case, or of a follow-up of it."""

    case: Case
    config: Config
    tensors: Tensors

    @property
    def x(self) -> Tensor:
        """The input, (time, batch, input_size), batch 1 if unbatched."""
        return self.tensors.x

    @property
    def state(self) -> tuple[Tensor, ...] | None:
        """(h_0,) or (h_0, c_0), or None where hx is not given."""
        return self.tensors.state

    @property
    def given_state(self) -> tuple[Tensor, ...]:
        """The initial state, as zeros where hx is not given."""
        return self.state if self.state is not None else self.zero_state()

    def map_state(self, change: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...] | None:
        """Return the initial state with each part changed, None where hx is not given."""
        return self.state and tuple(map(change, self.state))

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The parameters by torch's names; of a layer that has none of these names, those that a follow-up gives it, by its own."""
        return self.tensors.parameters

    @property
    def lengths(self) -> tuple[int, ...] | None:
        """The length of each sequence, None if the input is not packed."""
        return self.tensors.lengths

    @property
    def question(self) -> oracle.Question:
        """What the oracle is asked: configuration, parameters, input, h_0, c_0 and lengths."""
        h_0, c_0 = (*self.given_state, None)[:2]
        return oracle.Question(self.config.but(dropout=0.0), self.parameters, self.x, h_0, c_0, self.lengths)

    @property
    def time(self) -> int:
        """Steps."""
        return self.x.shape[0]

    @property
    def batch(self) -> int:
        """Sequences."""
        return self.x.shape[1]

    def zero_state(self) -> tuple[Tensor, ...]:
        """Zeros in the shape of the initial state; of a state with bounds, what is nearest to zero between them."""
        states, named = self.config.states, self.config.named
        zeros = (self.x.new_zeros(states, self.batch, size) for size in self.config.state_sizes.values())
        return tuple(part if named is None else named.held(part) for part in zeros)

    def within_bounds(self, state: Tensor) -> Tensor:
        """A part of a state that is drawn, not returned by a call: each value within the bounds that its type declares."""
        named = self.config.named
        return state if named is None else named.within_bounds(state)

    def generator(self, name: str) -> torch.Generator:
        """A random stream of this case, for draws of a property."""
        return generator(self.case.seed, name)

    def draw(self, name: str, low: int, high: int) -> int:
        """A whole number in [low, high], the same at every replay of the case."""
        return int(torch.randint(low, high + 1, (), generator=self.generator(name)))

    def like(self, tensor: Tensor, name: str, scale: float = 1.0) -> Tensor:
        """Generic values in the shape, dtype and device of ``tensor``."""
        pairs = in_pairs(tensor)
        return as_type_of(tensor, Values("normal", scale).tensor(tuple(pairs.shape), self.case.seed, name).to(pairs))
