"""Types for code that has none: a stub, a function with the same parameter names, annotated; and whether it has a body."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from rnncheck.errors import UsageError
from rnncheck.reading.constructor.size_words import BOTH, MORE_INPUT
from rnncheck.reading.signature import HIDDEN, INPUT, forward_of
from rnncheck.reading.typed.annotations import Leaf, Node, Tree
from rnncheck.reading.typed.find_roles import roles_of
from rnncheck.reading.typed.roles import Argument, Roles
from rnncheck.reading.typed.sizes import axis_for


def typed_by(target: Any, stub: Callable[..., Any], name: str, time: str | None = None) -> Roles:
    """Return the roles that the stub says of the target's arguments; raises UsageError where they have other names."""
    module = isinstance(stub, type) and issubclass(stub, nn.Module)
    if not module and (isinstance(stub, type) or not callable(stub)):
        came = f"the class {stub.__name__}" if isinstance(stub, type) else f"{stub!r:.40}"
        raise UsageError(f"{name}: the stub is {came}, but should be a function with the target's parameters, annotated")
    roles = roles_of(called(stub) if module else stub, name, time)
    needed = _check_names(called(target), roles, name)
    said = {
        one.name for one in (*roles.sequences, *roles.states, *roles.parameters, roles.ragged, roles.cache) if one and one.needed
    }
    always = said | {name for name, _ in roles.for_wrapper()["options"]}
    return replace(roles, none=tuple(one for one in needed if one not in always))


def called(target: Any) -> Callable[..., Any]:
    """Return the function that a call of the target ends in: of a class of modules or a module, forward."""
    return forward_of(target) if isinstance(target, type | nn.Module) else target


def _check_names(function: Callable[..., Any], roles: Roles, name: str) -> list[str]:
    """Return the parameters that must be given; raises UsageError where the stub lacks one, or names one that there is not."""
    known = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    names = {p.name for p in known}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known)
    own = {one.name for one in (*roles.sequences, *roles.states, *roles.parameters)} | roles.choices.keys() | roles.given.keys()
    own |= {*roles.never, *(roles.cache.names if roles.cache else ()), *([roles.ragged.name] if roles.ragged else [])}
    strange = sorted(own - names) if not takes_any else []
    plain = [p.name for p in known if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    missing = [one for one in plain if one not in own]
    if strange:
        raise UsageError(
            f"{name}: the stub has {', '.join(strange)}, but its parameters are {', '.join(sorted(names))}; name them alike"
        )
    if missing:
        raise UsageError(f"{name}: the stub lacks {', '.join(missing)}, which must be given; add it with its type")
    return plain


def has_body(stub: Any) -> bool:
    """Return whether a function, or a module's forward, does something: more than a docstring, ``...``, ``pass``, ``raise``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(called(stub))))
    except (OSError, TypeError, SyntaxError):
        return False
    body = getattr(tree.body[0], "body", [])
    return not all(isinstance(one, ast.Pass | ast.Raise) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
                   for one in body)  # fmt: skip


def constructor_sizes(kind: type, roles: Roles, name: str) -> dict[str, str]:
    """Return the axis of which each argument of the constructor is the size; raises UsageError where one cannot be told."""
    axes = [axis for axis, _ in roles.named().sizes]
    found: dict[str, str] = {}
    for one in inspect.signature(kind).parameters.values():
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        axis = axis_for(one.name, axes)
        counts = one.default is one.empty or type(one.default) is int or (one.default is None and axis == one.name)
        whole = _product(one.name, roles) if axis is None and one.default is one.empty else None
        if (axis is not None and counts) or whole:
            found[one.name] = whole or axis or ""
        elif one.default is one.empty:
            raise UsageError(
                f"{name}: the constructor's {one.name} is the size of no axis ({', '.join(axes)}); call an axis {one.name}, "
                "or name a factory's result"
            )
    return found


def _product(name: str, roles: Roles) -> str | None:
    """Return ``heads*head_dim`` for a size of all features such as ``embed_dim``, where it is the one product among the axes."""
    named = roles.named()
    axes = {axis for tensor in (*named.sequences, *named.outputs) for axis in tensor.axes.split() if "*" in axis}
    return axes.pop() if name in (*INPUT, *HIDDEN, *MORE_INPUT, *BOTH) and len(axes) == 1 else None


def with_sizes_of(module: nn.Module, roles: Roles) -> Roles:
    """Return the roles with the axes whose sizes the module has as numbers: ``hidden_size`` is that of hidden."""
    known = _numbers(module)
    sizes = {}
    for axis, _ in roles.named().sizes:
        named = axis if axis in known else next((name for name in known if axis_for(name, [axis])), None)
        of_parts = {numbers[axis] for part in module.modules() if axis in (numbers := _numbers(part))}
        if named is not None:
            sizes[axis] = known[named]
        elif len(of_parts) == 1:
            sizes[axis] = of_parts.pop()
    return _sized(roles, sizes)


def _numbers(module: nn.Module) -> dict[str, int]:
    return {name: value for name, value in vars(module).items() if type(value) is int}


def with_axes_of_their_own(roles: Roles) -> Roles:
    """Return the roles without an axis that is called as a tensor is, since a case has a value for each name.

    ``D: Float[Tensor, "D"] | None`` may be left out, and its axis has a size all the same.
    """
    named = {one.name for one in (*roles.sequences, *roles.parameters)}
    renamed = {axis: f"{axis}_size" for axis, _ in roles.named().sizes if axis in named}
    found = _sized(roles, renamed)
    given = {name: renamed.get(value, value) if isinstance(value, str) else value for name, value in roles.given.items()}
    cache = roles.cache and replace(
        roles.cache, arguments=tuple((name, renamed.get(what, what)) for name, what in roles.cache.arguments)
    )
    return replace(found, given=given, cache=cache)


def _sized(roles: Roles, sizes: Mapping[str, int | str]) -> Roles:
    def arguments(some: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return tuple(replace(one, tree=_sized_tree(one.tree, sizes)) for one in some)

    def places(some: Any) -> Any:
        return tuple((path, _sized_leaf(leaf, sizes)) for path, leaf in some)

    return replace(
        roles, sequences=arguments(roles.sequences), states=arguments(roles.states), parameters=arguments(roles.parameters),
        outputs=places(roles.outputs), finals=None if roles.finals is None else places(roles.finals),
    )  # fmt: skip


def _sized_tree(tree: Tree | None, sizes: Mapping[str, int | str]) -> Tree | None:
    if isinstance(tree, Node):
        return Node(tree.kind, tuple((name, _sized_tree(part, sizes) or part) for name, part in tree.parts))
    return _sized_leaf(tree, sizes) if isinstance(tree, Leaf) else tree


def _sized_leaf(leaf: Leaf, sizes: Mapping[str, int | str]) -> Leaf:
    return replace(leaf, axes=tuple(_sized_axis(axis, sizes) for axis in leaf.axes))


def _sized_axis(axis: str, sizes: Mapping[str, int | str]) -> str:
    tree = ast.parse(axis, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in sizes:
            node.id = str(sizes[node.id])
    return ast.unparse(tree).replace(" ", "")
