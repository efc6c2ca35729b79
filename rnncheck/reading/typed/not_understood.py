"""What to write for an argument whose annotation does not say what it is."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from rnncheck.errors import UsageError
from rnncheck.reading.typed.annotations import hints_of, tree_of
from rnncheck.reading.typed.roles import Argument, Roles


def check_has_axes(name: str, arguments: Sequence[Argument]) -> None:
    """Raise UsageError where an argument that must be given is a tensor without axes."""
    bare = next((one for one in arguments if one.needed and one.tree is None and one.hint is Tensor), None)
    if bare is not None:
        raise UsageError(f'{name}: {bare.name} is a Tensor without axes; write {bare.name}: Float[Tensor, "batch time …"]')


def check_has_rows(roles: Roles) -> None:
    """Raise UsageError where a state is the same for all sequences, such as a counter."""
    for one in roles.states:
        for leaf in one.tensors:
            if roles.rows is not None and roles.rows not in leaf.axes:
                raise UsageError(
                    f"{roles.name}: {one.name} is a state with the axes ({' '.join(leaf.axes)}), but should have {roles.rows} "
                    'among them; a counter of all sequences is carried beside a state: tuple[State, Int[Tensor, ""]] | None = None'
                )


def check_named_each(function: Callable[..., Any], name: str) -> None:
    """Raise UsageError where tensors are taken in any number."""
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.VAR_POSITIONAL and tree_of(hints_of(function).get(one.name)) is not None:
            raise UsageError(f"{name}: *{one.name} takes any number of tensors; take each by a name of its own")


def how_to_say(name: str, argument: Argument) -> str:
    """Return what to write for an argument that has no default and is no tensor with axes."""
    if argument.hint is None:
        return f'{name}: {argument.name} is not annotated; write {argument.name}: Float[Tensor, "batch time …"], or its type'
    if isinstance(argument.hint, type) and argument.hint.__module__ != "builtins":
        kind = argument.hint.__name__
        return (
            f"{name}: {argument.name} has no default and is no tensor with named axes; if it is carried from call to call, "
            f"write {argument.name}: Annotated[{kind}, rnncheck.State(new={kind})]"
        )
    values = ("str", '"one", "other"') if argument.hint is str else ("int", "16, 64")
    return (
        f"{name}: {argument.name} has no default and is no tensor with named axes; "
        f"write {argument.name}: Annotated[{values[0]}, rnncheck.Options({values[1]})], or a Literal, or give it a default"
    )
