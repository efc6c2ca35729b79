"""A case's tensors as the subject wants them: batch_first, packed, unbatched, in the case's memory layout; and back again."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnncheck.core.case import Case, Layout
from rnncheck.core.plain_text import one_line
from rnncheck.core.run import Run
from rnncheck.core.subject import Malformed

State = tuple[Tensor, ...]


def as_arguments(
    case: Case, x: Tensor, state: State | None, lengths: tuple[int, ...] | None, *, flat_states: bool = False
) -> tuple[Any, State | None]:
    """(input, hx) for a call; x is (time, batch, input_size), state as a Run's. Differentiable."""
    unbatched = case.batch is None
    if flat_states:
        state = state and tuple(h.squeeze(0) for h in state)
    state = state and tuple(lay_out(h.squeeze(-2) if unbatched else h, case.layout) for h in state)
    if lengths is not None:
        return pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=case.sorted_lengths), state
    if unbatched:
        return lay_out(x[:, 0], case.layout), state
    return lay_out(x.transpose(0, 1) if case.config.batch_first else x, case.layout), state


def lay_out(tensor: Tensor, layout: Layout) -> Tensor:
    """The same values in memory of another shape; always a tensor of its own, also when contiguous."""
    if layout == "transposed" and tensor.dim() >= 2:
        return tensor.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "strided":
        return torch.stack([tensor, torch.zeros_like(tensor)], dim=-1)[..., 0]
    if layout == "offset":
        return torch.cat([tensor.new_zeros(1), tensor.reshape(-1)])[1:].view(tensor.shape)
    plain = tensor.requires_grad  # through shared memory the gradients of all would come back to one
    if layout == "expanded" and not plain and tensor.dim() >= 2 and bool((tensor == tensor[:, :1]).all()):
        return tensor[:, :1].clone().expand(tensor.shape)
    return tensor.clone(memory_format=torch.contiguous_format)


PLACES: tuple[Layout, ...] = ("strided", "transposed", "offset")


def scattered_in_memory(tensor: Tensor, number: int) -> Tensor:
    """The same values, of each of several tensors in memory of another shape."""
    return lay_out(tensor, PLACES[number % len(PLACES)])


def as_run(case: Case, time: int, batch: int, output: Any, state: State, *, packed: bool, flat_states: bool = False,
           stateless: bool = False) -> Run:  # fmt: skip
    """The inverse of as_arguments for what came back; raises Malformed where that is not what the contract says."""
    states = _no_states(case, batch, output) if stateless else _states(case, batch, state, flat_states)
    return Run(_output(case, time, batch, output, packed), *states)


def _output(case: Case, time: int, batch: int, output: Any, packed: bool) -> Tensor:
    """(time, batch, features)"""
    features = case.config.output_size
    if packed:
        return _expect("output", _unpack(output, time), (time, batch, features))
    if case.batch is None:
        return _expect("output", output, (time, features)).unsqueeze(1)
    if case.config.batch_first:
        return _expect("output", output, (batch, time, features)).transpose(0, 1)
    return _expect("output", output, (time, batch, features))


def _no_states(case: Case, batch: int, output: Any) -> list[Tensor]:
    """States of no layers, where none come back."""
    like = output.data if isinstance(output, PackedSequence) else output
    sizes = case.config.state_sizes.values()
    return [like.new_zeros(0, batch, size) for size in sizes] if isinstance(like, Tensor) else []


def _states(case: Case, batch: int, state: State, flat: bool) -> list[Tensor]:
    """Each (layers * directions, batch, its size)."""
    states, sizes = case.config.states, case.config.state_sizes
    if len(state) != len(sizes):
        raise Malformed(f"{len(state)} state tensors returned, but should be {len(sizes)}")
    axes = [*([] if flat else [states]), *([] if case.batch is None else [batch])]
    named = zip(state, sizes.items(), strict=True)
    return [_expect(f"{name}_n", part, (*axes, size)).reshape(states, batch, size) for part, (name, size) in named]


def _unpack(output: Any, time: int) -> Tensor:
    if not isinstance(output, PackedSequence):
        raise Malformed(f"output is a {type(output).__name__}, but should be a PackedSequence, as the input was")
    try:
        return pad_packed_sequence(output, total_length=time)[0]
    except (ValueError, RuntimeError, IndexError) as error:
        raise Malformed(f"output is a PackedSequence that cannot be unpacked: {one_line(error)}") from None


def _plain(tensor: Tensor) -> Tensor:
    """The same tensor, without methods that its subclass, or the object itself, has in place of torch's."""
    if type(tensor) is Tensor and not vars(tensor):
        return tensor
    with torch._C.DisableTorchFunctionSubclass():
        return Tensor.as_subclass(tensor, Tensor)


def _expect(what: str, tensor: Any, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise Malformed(f"{what} is a {type(tensor).__name__}, but should be a tensor")
    if isinstance(tensor, FakeTensor):
        raise Malformed(
            f"{what} has no values: it comes from an earlier call, in which torch.export or torch.compile traced the layer"
        )
    tensor = _plain(tensor)
    if tuple(tensor.shape) != shape:
        why = f": {SQUEEZED}" if is_squeezed(tensor.shape, shape) else ""
        raise Malformed(f"{what} has shape {tuple(tensor.shape)}, but should have {shape}{why}", tuple(tensor.shape), shape)
    return tensor


NEEDS_CONTIGUOUS = "view size is not compatible with input tensor's size and stride|(must be|is not) contiguous"
"""What is said where memory that is not contiguous is refused."""
SQUEEZED = "squeeze() takes off every axis of size 1, that of a single sequence too"


def is_squeezed(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Return whether a shape has the expected sizes in any order, but fewer axes of size 1.

    >>> is_squeezed((5, 7), (5, 1, 7)), is_squeezed((5, 7), (5, 7)), is_squeezed((5, 7), (5, 2, 7))
    (True, False, False)
    """
    kept, wanted = (sorted(size for size in sizes if size != 1) for sizes in (shape, expected))
    return len(shape) < len(expected) and kept == wanted
