"""Modules that take padded input with its lengths, or a mask, beside it, instead of a PackedSequence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnncheck.adapters.torch_layers import ModuleLayer, split_result
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim, Subject

Call = Callable[[nn.Module, Tensor, Any, Tensor], Any]
"""How the module is called: (module, padded input, hx or None, lengths (batch,) int64) -> (output, state)."""


def by_position(module: nn.Module, x: Tensor, hx: Any, lengths: Tensor) -> Any:
    """``module(x, hx, lengths)``"""
    return module(x, hx, lengths)


@dataclass
class LengthsLayer(ModuleLayer):
    """Such a module behind the door of rnncheck.subject.Layer.

    Packed input is unpacked for it and its output packed again, so that everything said of packed input is asked of it.

    left_out: steps of the padded input beyond the longest sequence that the last call's output did not have
    """

    batch_first: bool = False
    call: Call = by_position
    left_out: int = 0

    def with_lengths(self, input: Tensor, hx: tuple[Tensor, ...] | None, lengths: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
        """(padded output, state) for padded input and the length of each of its sequences."""
        output, state = split_result(self.call(self.module, input, hx if hx is None or self.takes_tuple else hx[0], lengths))
        return self._as_long(output, input, lengths), state

    def _as_long(self, output: Any, input: Tensor, lengths: Tensor) -> Any:
        """An output that ends with the longest sequence, as pad_packed_sequence leaves it, padded as the shortest sequence is."""
        time, longest = int(self.batch_first), int(lengths.max()) if len(lengths) else 0
        self.left_out = 0
        if not isinstance(output, Tensor) or output.dim() != 3 or output.shape[time] != longest or longest == input.shape[time]:
            return output
        self.left_out = input.shape[time] - longest
        padded = output.select(1 - time, int(lengths.argmin()))[-1] if int(lengths.min()) < longest else output.new_zeros(())
        behind = padded.expand(*[input.shape[axis] - output.shape[axis] * (axis == time) for axis in (0, 1)], output.shape[-1])
        return torch.cat([output, behind], time)

    def __call__(self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        if not isinstance(input, PackedSequence):
            return super().__call__(input, hx)
        x, lengths = pad_packed_sequence(input, self.batch_first)
        output, state = self.with_lengths(x, hx, lengths)
        return pack_padded_sequence(output, lengths, self.batch_first, input.sorted_indices is None), state


@dataclass(frozen=True)
class TakingLengths:
    """Builds such layers: ``plain`` builds the module behind the plain door."""

    plain: Callable[[Config, torch.dtype, torch.device], ModuleLayer]
    call: Call

    def __call__(self, config: Config, dtype: torch.dtype, device: torch.device) -> LengthsLayer:
        layer = self.plain(config, dtype, device)
        return LengthsLayer(**vars(layer), batch_first=config.batch_first, call=self.call)


def taking_lengths(subject: Subject, call: Call = by_position) -> Subject:
    """A torch-like subject whose modules take the lengths themselves; it claims packed input and ``lengths``."""
    offered = Claim(True, "declared", "the module takes lengths")
    claims = {**subject.claims, "packed": offered, "lengths": offered}
    return replace(subject, build=TakingLengths(subject.build, call), claims=claims)
