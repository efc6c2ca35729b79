"""``rnncheck.scan(step)``: the function of a whole sequence, from the equation of one step."""

import functools
import inspect
from collections.abc import Callable
from itertools import count
from typing import Annotated, Any, get_args, get_origin

import jaxtyping
import torch
from torch import Tensor, nn

from rnncheck.core.axis_size import axis_size
from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import Leaf, Tree, hints_of, leaves, tree_of
from rnncheck.reading.typed.axis_names import BATCH, TIME
from rnncheck.reading.typed.roles import structure_of, type_of
from rnncheck.reading.typed.values import in_type
from rnncheck.reading.typed.wrapper import rebuilt, resolved


def scan(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a whole sequence that takes this step again and again.

    Args:
        step: ``step(state, *inputs, *parameters) -> (state, output)``, annotated without a time axis; inputs have a batch axis

    The function takes the inputs with an axis time after the batch, the parameters, and the state as ``initial_state``, which may
    be None for zeros; it returns the outputs and the final state.

    Examples:
        >>> from jaxtyping import Float
        >>> def step(h: Float[Tensor, "batch units"], x: Float[Tensor, "batch units"]) -> tuple[
        ...     Float[Tensor, "batch units"], Float[Tensor, "batch units"]]:
        ...     h = (h + x) / 2
        ...     return h, h
        >>> output, state = scan(step)(torch.ones(1, 3, 2))
        >>> output[0, :, 0]
        tensor([0.5000, 0.7500, 0.8750])
    """
    hints, names, result, inputs = _parts(step)
    state = tree_of(hints[names[0]])

    @functools.wraps(step)
    def sequence(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        values = dict(bound.arguments)
        carried = values.pop("initial_state")
        carried = _zeros(step.__name__, state, _sizes(hints, values, inputs), values[inputs[0]]) if carried is None else carried
        rest = {name: value for name, value in values.items() if name not in inputs}
        outputs = []
        for t in range(values[inputs[0]].shape[1]):
            carried, output = step(carried, **{name: values[name][:, t] for name in inputs}, **rest)
            outputs.append(output)
        return torch.stack(outputs, 1), carried

    annotations = {name: _with_time(hints[name]) if name in inputs else hints[name] for name in names[1:] if name in hints}
    annotations |= {"initial_state": hints[names[0]] | None, "return": tuple[_with_time(result[1]), hints[names[0]]]}  # type: ignore[misc]
    sequence.__annotations__, sequence.__qualname__ = annotations, f"scan({step.__qualname__})"
    signature = inspect.Signature(_parameters(step, annotations))
    sequence.__dict__["__signature__"] = signature
    return sequence


def _parts(step: Callable[..., Any]) -> tuple[dict[str, Any], list[str], tuple[Any, ...], list[str]]:
    """Its annotations, the names of its arguments, the types of both results, and which arguments are inputs."""
    name = getattr(step, "__name__", type(step).__name__)
    if isinstance(step, type | nn.Module):
        raise UsageError(f"{name}: is a module, but should be a function; write step(state, input) and call the module in it")
    hints, names = hints_of(step), list(inspect.signature(step).parameters)
    result = get_args(hints.get("return"))
    if len(names) < 2 or len(result) != 2 or tree_of(hints.get(names[0])) is None:
        raise UsageError(f"{name}: is no step; write step(state, input) -> tuple[state, output], all annotated")
    inputs = [one for one in names[1:] if _has_batch(tree_of(hints.get(one)))]
    if not inputs:
        raise UsageError(f'{name}: no input has the batch as its first axis; write {names[1]}: Float[Tensor, "batch …"]')
    return hints, names, result, inputs


def _parameters(step: Callable[..., Any], annotations: dict[str, Any]) -> list[inspect.Parameter]:
    own = list(inspect.signature(step).parameters.values())[1:]
    state = inspect.Parameter(
        "initial_state", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotations["initial_state"]
    )
    return [*(one.replace(annotation=annotations.get(one.name, one.annotation)) for one in own), state]


def _has_batch(tree: Tree | None) -> bool:
    return any(leaf.axes[:1] and leaf.axes[0].lower() in BATCH for _, leaf in leaves(tree))


def _with_time(hint: Any) -> Any:
    """The same tensor with an axis time after the first."""
    if get_origin(hint) is Annotated:
        inner, *markers = get_args(hint)
        return Annotated[_with_time(inner), *markers]
    if not (isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)):
        raise UsageError(f"inputs and output of a step should each be one tensor, but one is {hint}; return one, or stack them")
    first, *rest = hint.dim_str.split()
    if {*rest} & {*TIME}:
        raise UsageError(f"a step takes no axis of time, but one of its tensors has the axes ({hint.dim_str}); leave it out")
    return hint.dtype[hint.array_type, " ".join([first, "time", *rest])]


def _sizes(hints: dict[str, Any], values: dict[str, Any], inputs: list[str]) -> dict[str, int]:
    """The sizes that the axes of inputs and parameters have."""
    sizes: dict[str, int] = {}
    for name, value in values.items():
        tree = tree_of(hints.get(name))
        if isinstance(tree, Leaf) and isinstance(value, Tensor):
            sizes |= dict(zip(tree.axes, (value.shape[0], *value.shape[2:]) if name in inputs else value.shape, strict=False))
    return sizes


def _zeros(step: str, tree: Tree | None, sizes: dict[str, int], like: Tensor) -> Any:
    """A state of zeros, of the sizes that inputs and parameters have."""
    try:
        made = [in_type(like.new_zeros([axis_size(axis, sizes) for axis in leaf.axes]), type_of(leaf)) for _, leaf in leaves(tree)]
    except KeyError as unknown:
        raise UsageError(f"{step}: no input or parameter has the state's axis {unknown}; give initial_state") from None
    return rebuilt(resolved(structure_of(tree, count())), made)
