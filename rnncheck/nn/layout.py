"""How a batch of sequences lies in memory, and the way from there to one step after another and back.

``enter`` makes what the stack of layers works on: padded (time, batch, features) or packed (steps, features), where
``steps`` lists every sequence's elements, time by time. ``split`` cuts that into time steps, ``join`` puts it together.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


class Padded(NamedTuple):
    """(time, batch, features), (batch, time, features) if batch_first, or (time, features) if not batched."""

    batched: bool
    batch_first: bool

    def enter(self, input: Tensor) -> Tensor:
        if not self.batched:
            return input.unsqueeze(1)
        return input.transpose(0, 1) if self.batch_first else input

    def leave(self, output: Tensor) -> Tensor:
        if not self.batched:
            return output.squeeze(1)
        return output.transpose(0, 1) if self.batch_first else output

    def enter_state(self, state: Tensor) -> Tensor:
        return state if self.batched else state.unsqueeze(1)

    def leave_state(self, state: Tensor) -> Tensor:
        return state if self.batched else state.squeeze(1)

    def split(self, sequence: Tensor) -> tuple[Tensor, ...]:
        return sequence.unbind(0)

    def join(self, steps: tuple[Tensor, ...]) -> Tensor:
        return torch.stack(steps)


class Packed(NamedTuple):
    """The layout of a PackedSequence; states are in the caller's order outside, longest sequence first inside."""

    like: PackedSequence
    batch_sizes: list[int]
    batched: bool = True

    def enter(self, input: PackedSequence) -> Tensor:
        return input.data

    def leave(self, output: Tensor) -> PackedSequence:
        return PackedSequence(output, self.like.batch_sizes, self.like.sorted_indices, self.like.unsorted_indices)

    def enter_state(self, state: Tensor) -> Tensor:
        order = self.like.sorted_indices
        return state if order is None else state.index_select(1, order)

    def leave_state(self, state: Tensor) -> Tensor:
        order = self.like.unsorted_indices
        return state if order is None else state.index_select(1, order)

    def split(self, sequence: Tensor) -> tuple[Tensor, ...]:
        return sequence.split(self.batch_sizes)

    def join(self, steps: tuple[Tensor, ...]) -> Tensor:
        return torch.cat(steps)


Layout = Padded | Packed
