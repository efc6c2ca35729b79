"""What a layer refuses at its door, with torch.nn's exception types, naming what was expected and what came.

These refusals belong to the layers and stay when the type checks are switched off. They look at shapes, dtypes and
devices only, so they hold under torch.compile, torch.export, vmap and on the meta device too.
"""

import numbers
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


@runtime_checkable
class Layer(Protocol):
    """What the door has to know of a layer."""

    input_size: int
    batch_first: bool
    state_names: tuple[str, ...]

    def state_shapes(self, batch: int) -> tuple[tuple[int, int, int], ...]: ...


def check_constructor(
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    batch_first: bool,
    dropout: float,
    proj_size: int,
    dtype: torch.dtype | None,
) -> None:
    """TypeError for an argument of the wrong type, ValueError for one of the wrong value, as torch.nn."""
    if isinstance(dropout, bool) or (isinstance(dropout, numbers.Real) and not 0 <= dropout <= 1):
        raise ValueError(f"dropout = {dropout!r}, but should be a probability in [0, 1]")
    if not isinstance(dropout, numbers.Real):
        kind = ValueError if isinstance(dropout, str) else TypeError
        raise kind(f"dropout = {dropout!r}, but should be a number, a probability in [0, 1]")
    for name, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} = {flag!r}, but should be a bool")
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers, "proj_size": proj_size}
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} = {size!r}, but should be an int")
        if size <= 0 and name != "proj_size":
            raise ValueError(f"{name} = {size!r}, but should be greater than zero")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"proj_size = {proj_size!r}, but should be 0 or smaller than hidden_size = {hidden_size}")
    if isinstance(dtype, torch.dtype) and dtype.is_complex:
        raise TypeError(f"dtype = {dtype}, but should be a floating point dtype")


def check_input(layer: Layer, input: Tensor, weight: Tensor) -> None:
    """A padded or unbatched input: (time, batch, input), (batch, time, input) or (time, input)."""
    if not isinstance(input, Tensor):
        raise TypeError(f"input is a {type(input).__name__}, but should be a Tensor or a PackedSequence")
    if input.dim() not in (2, 3):
        raise ValueError(f"input.dim() = {input.dim()}, but should be 3, or 2 if unbatched {_call(layer, input)}")
    _check_tensor(layer, input, weight)
    if input.size(1 if layer.batch_first and input.dim() == 3 else 0) == 0:
        raise RuntimeError(f"the sequence length is 0, but should be at least 1 {_call(layer, input)}")


def check_packed(layer: Layer, input: PackedSequence, batch_sizes: Sequence[int], weight: Tensor) -> None:
    """A packed input: its data is (steps, input), its batch sizes are positive, never grow, and sum to the steps."""
    if input.data.dim() != 2:
        raise RuntimeError(f"input.data.dim() = {input.data.dim()}, but should be 2 {_call(layer, input.data)}")
    _check_tensor(layer, input.data, weight)
    falling = list(batch_sizes) == sorted(batch_sizes, reverse=True)
    if not batch_sizes or min(batch_sizes) < 1 or not falling or sum(batch_sizes) != input.data.size(0):
        raise RuntimeError(
            f"input.batch_sizes = {list(batch_sizes)}, but should be positive, never growing, and sum to "
            f"{input.data.size(0)} {_call(layer, input.data)}"
        )


def _check_tensor(layer: Layer, input: Tensor, weight: Tensor) -> None:
    """The last axis, the dtype (autocast brings its own) and the device."""
    if input.dtype != weight.dtype and not (autocast_dtype(input.device.type) and input.is_floating_point()):
        raise ValueError(
            f"input.dtype = {input.dtype}, but should be that of the weights, {weight.dtype}: "
            f"use input.to({weight.dtype}) or layer.to({input.dtype}) {_call(layer, input)}"
        )
    if input.size(-1) != layer.input_size:
        raise RuntimeError(
            f"input.size(-1) = {input.size(-1)}, but should be input_size = {layer.input_size} {_call(layer, input)}"
        )
    if input.device != weight.device:
        raise RuntimeError(
            f"input.device = {input.device}, but should be that of the weights, {weight.device} {_call(layer, input)}"
        )


def states_of(layer: Layer, hx: object) -> tuple[Tensor, ...]:
    """The state tensors that hx is made of: hx itself, or a pair."""
    names = layer.state_names
    if len(names) == 1:
        hx = (hx,)
    if not isinstance(hx, tuple | list) or len(hx) != len(names):
        got = f"a {type(hx).__name__}" + (f" of {len(hx)}" if isinstance(hx, tuple | list) else "")
        raise RuntimeError(f"hx is {got}, but should be ({', '.join(names)}) [{layer}]")
    for name, state in zip(names, hx, strict=True):
        if not isinstance(state, Tensor):
            raise TypeError(f"{name} is a {type(state).__name__}, but should be a Tensor [{layer}]")
    return tuple(hx)


def check_states(layer: Layer, states: tuple[Tensor, ...], input: Tensor, batch: int, batched: bool) -> None:
    """Each initial state: (layers*directions, batch, features), without batch if the input is not batched."""
    for name, state, (layers, _, size) in zip(layer.state_names, states, layer.state_shapes(batch), strict=True):
        expected = (layers, batch, size) if batched else (layers, size)
        if tuple(state.shape) != expected:
            raise RuntimeError(f"{name} is {tuple(state.shape)}, but should be {expected} {_call(layer, input)}")
        if state.dtype != input.dtype and not autocast_dtype(input.device.type):
            raise RuntimeError(f"{name} is {state.dtype}, but should be {input.dtype} {_call(layer, input)}")
        if state.device != input.device:
            raise RuntimeError(f"{name} is on {state.device}, but should be on {input.device} {_call(layer, input)}")


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """What autocast asks for on this kind of device; None where it is off, or not known (meta)."""
    if device_type == "meta" or not torch.is_autocast_enabled(device_type):
        return None
    return torch.get_autocast_dtype(device_type)


def _call(layer: Layer, input: Tensor) -> str:
    return f"[{layer}, input {tuple(input.shape)}]"
