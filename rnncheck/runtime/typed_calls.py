"""Calls of modules that are annotated as recurrences of any kind: against a reference, and whether all sizes fit."""

import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.observation import Observation
from rnncheck.errors import UsageError
from rnncheck.reading.typed import is_typed
from rnncheck.reading.typed.annotations import Leaf, Path, hints_of, leaves, tree_of
from rnncheck.reading.typed.find_roles import roles_of
from rnncheck.reading.typed.sizes import axis_for
from rnncheck.reading.typed.wrapper import at
from rnncheck.runtime.compare import compare_results
from rnncheck.runtime.contracts import values_in
from rnncheck.runtime.tensors_inside import copied, widened


@dataclass(frozen=True)
class ModuleCall:
    """One call: the module's sizes, mode and numbers as they were, what it was given and what it returned.

    sizes: its attributes that are numbers or words, and the sizes that the axes of its arguments have
    """

    sizes: Mapping[str, Any]
    training: bool
    numbers: Mapping[str, Tensor]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any

    @classmethod
    def of(cls, layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> "ModuleCall":
        """The call of this module, with copies of all that may change."""
        told = {name: value for name, value in vars(layer).items() if isinstance(value, int | float | str)}
        sizes = {**_sizes_in(layer, args, kwargs), **told}
        return cls(sizes, layer.training, copied(dict(layer.state_dict())), args, kwargs, copied(result))


def random_state() -> list[int]:
    """Return what torch draws random numbers from."""
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]
    return [hash(bytes(state.numpy().tobytes())) for state in states]


def compare_module_call(call: ModuleCall, reference: Any) -> Observation:
    """Return how the result compares with that of a module, a class or a function, in float64 on the same numbers."""
    if not isinstance(reference, nn.Module | type):
        return compare_results(call.result, reference, call.args, call.kwargs)
    twin = copy.deepcopy(reference) if isinstance(reference, nn.Module) else _made(reference, call.sizes)
    twin = twin.double().train(call.training)

    def with_numbers(numbers: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        twin.load_state_dict(widened(numbers))
        return twin(*args, **kwargs)

    return compare_results(call.result, with_numbers, (call.numbers, *call.args), call.kwargs)


def _made(kind: type, sizes: Mapping[str, Any]) -> Any:
    """The reference, of the sizes that the module has as attributes."""
    given = {}
    for one in inspect.signature(kind).parameters.values():
        name = one.name if one.name in sizes else axis_for(one.name, sizes) if one.default is one.empty else None
        if name is not None:
            given[one.name] = sizes[name]
        elif one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            raise UsageError(
                f"the layer has no attribute or axis {one.name} that {kind.__name__} is made of; give a module as the reference"
            )
    return kind(**given)


def _sizes_in(layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of the axes in one call, by name."""
    sizes: dict[str, tuple[int, str]] = {}
    for name, value, hint in _given(layer, args, kwargs):
        for path, leaf in leaves(tree_of(hint)):
            list(_misfits(name, _there(value, path), leaf, sizes))
    return {axis: size for axis, (size, _) in sizes.items()}


def _given(layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The name, the value and the type of each argument of a call."""
    forward = type(layer).forward
    given, hints = inspect.signature(forward).bind(layer, *args, **kwargs).arguments, hints_of(forward)
    return [(name, value, hints[name]) for name, value in given.items() if name in hints and value is not None]


def typed_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules inside that are annotated as recurrences, by name."""
    return {name or type(module).__name__: module for name, module in model.named_modules() if _is_recurrence(module)}


def _is_recurrence(module: nn.Module) -> bool:
    try:
        return is_typed(module) and bool(roles_of(type(module).forward, type(module).__name__))
    except UsageError:
        return False


def typed_findings(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> Iterator[tuple[str, str]]:
    """Yield (kind, message) of what is wrong with one call: axes of one name with two sizes, and non-finite values."""
    hints, sizes = hints_of(type(module).forward), dict[str, tuple[int, str]]()
    places = _given(module, args, kwargs)
    for name, value, hint in [*places, *([("result", result, hints["return"])] if "return" in hints else [])]:
        for path, leaf in leaves(tree_of(hint)):
            yield from _misfits(f"{name}{''.join(f'[{step!r}]' for step in path)}", _there(value, path), leaf, sizes)
    for where, tensor in values_in(result):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            yield "non-finite", f"{where} has {int((~tensor.isfinite()).sum())} non-finite values of {tensor.numel()}"


def _there(value: Any, path: Path) -> Any:
    try:
        return at(value, path)
    except (LookupError, TypeError):
        return None


def _misfits(where: str, tensor: Any, leaf: Leaf, sizes: dict[str, tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """What does not fit of one tensor; a size that is not known yet is learnt from it."""
    if not isinstance(tensor, Tensor):
        return
    if tensor.dim() != len(leaf.axes):
        yield "shape", f"{where} has shape {tuple(tensor.shape)}, but should have the axes ({' '.join(leaf.axes)})"
        return
    for axis, size in zip(leaf.axes, tensor.shape, strict=True):
        known, first = (int(axis), "its type") if axis.isdigit() else sizes.setdefault(axis, (size, where))
        if size != known and (axis.isidentifier() or axis.isdigit()):
            yield (
                "shape",
                f"{where} has {axis} = {size}, but should have {known}, as {'its type says' if axis.isdigit() else f'{first} has'}",
            )
