"""What the annotations of a function say: trees of tensors with named axes, and the values of options."""

import ast
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import jaxtyping
from torch import Tensor

from rnncheck.core.axis_size import ARITHMETIC
from rnncheck.core.plain_text import said as said_of
from rnncheck.errors import UsageError
from rnncheck.reading.typed.markers import MARKERS, Options, State

Path = tuple[str | int, ...]
CARRIED = ("or, where calls carry it on, let it be None at first and return its type, or say what makes the first one: "
           "Annotated[Cache, rnncheck.State(new=Cache)]")  # fmt: skip
"""What to write of a state that is not read."""
AXES = re.compile(r"\[\s*(torch\.)?Tensor\s*,\s*['\"]")
"""How an annotation with axes is written."""


@dataclass(frozen=True)
class Leaf:
    """A tensor: its axes in their order, the dtypes that it may have, and what is said beside its type.

    A complex one has a last axis 2 of its real and imaginary parts.
    """

    axes: tuple[str, ...]
    dtypes: tuple[str, ...]
    markers: tuple[Any, ...] = ()

    @property
    def floating(self) -> bool:
        """Whether it holds real numbers, or pairs of them."""
        return self.complex or any("float" in dtype for dtype in self.dtypes)

    @property
    def complex(self) -> bool:
        """Whether it holds complex numbers."""
        return bool(self.dtypes) and all("complex" in dtype for dtype in self.dtypes)


@dataclass(frozen=True)
class Node:
    """A container of tensors: "tuple", "dict", or the class of its kind as ``module:name``."""

    kind: str
    parts: tuple[tuple[str | int, "Tree"], ...]


@dataclass(frozen=True)
class Opaque:
    """A state that is carried and never read, such as a cache; kind: its type."""

    kind: Any
    markers: tuple[Any, ...] = ()

    def said(self, kind: type) -> Any:
        """The marker of this kind, None where there is none."""
        return next((one for one in self.markers if isinstance(one, kind)), None)


Tree = Leaf | Node | Opaque


class Unreadable(Exception):
    """An annotation that speaks of tensors and cannot be read; the words say what to write."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def annotated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that has the annotations: behind functools.partial, or as the method of an object that is called."""
    while isinstance(function, partial):
        function = function.func
    method = inspect.getattr_static(type(function), "__call__", None)
    return method if inspect.isfunction(method) and not hasattr(function, "__code__") else function


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function by name, {} where they name what is not there."""
    try:
        return typing.get_type_hints(annotated(function), include_extras=True)
    except Exception:  # an annotation is any expression of the user's
        return {}


def why_unreadable(function: Callable[..., Any]) -> str | None:
    """Return why the annotations of a function cannot be read, in a few words; None where they can."""
    try:
        typing.get_type_hints(annotated(function), include_extras=True)
    except Exception as error:  # an annotation is any expression of the user's
        return f"its annotations cannot be read: {said_of(error)}"
    return None


def written_with_axes(function: Any) -> bool:
    """Return whether annotations that cannot be read, as where a name is not imported, speak of axes as they stand."""
    texts = [text for text in getattr(function, "__annotations__", {}).values() if isinstance(text, str)]
    return any(AXES.search(text) for text in texts) and why_unreadable(function) is not None


def tree_of(hint: Any, markers: tuple[Any, ...] = (), opaque: tuple[Any, ...] = (), beside: tuple[Any, ...] = ()) -> Tree | None:
    """Return the tensors in an annotation, None where it has none; raises Unreadable.

    opaque: types that are not looked into; beside: types of parts that are left out
    """
    hint, markers = _bare(hint, markers, opaque, beside)
    if repr(hint) in map(repr, opaque) or any(isinstance(one, State) and one.new is not None for one in markers):
        return Opaque(hint, markers)
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        _check_is_tensor(hint)
        leaf = Leaf(_axes(hint), _dtypes(hint), markers)
        return replace(leaf, axes=(*leaf.axes, "2")) if leaf.complex else leaf
    found = [(name, tree_of(part, markers, opaque, beside)) for name, part in _parts(hint) if part not in beside]
    inside = tuple((name, part) for name, part in found if part is not None)
    if not inside:
        return None
    if len(inside) < len(found):
        bare = ", ".join(str(name) for name, part in found if part is None)
        raise Unreadable(f'has parts that are no tensors with axes ({bare}); annotate each as Float[Tensor, "..."], {CARRIED}')
    return Node(_kind(hint), inside)


def left_out(hint: Any, beside: tuple[Any, ...], opaque: tuple[Any, ...]) -> list[Path]:
    """Return the paths to the parts of a container, and of those inside it, that are of these types and belong to no state."""
    bare = _bare(hint, (), opaque, beside)[0]
    if repr(bare) in map(repr, opaque):
        return []
    inside = _parts(bare)
    deeper = ((name, *path) for name, part in inside if part not in beside for path in left_out(part, beside, opaque))
    return [*((name,) for name, part in inside if part in beside), *deeper]


def leaves(tree: Tree | None, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Return each tensor of a tree with the path to it, in order."""
    if isinstance(tree, Leaf):
        yield path, tree
    elif isinstance(tree, Node):
        for name, part in tree.parts:
            yield from leaves(part, (*path, name))


def opaque_places(tree: Tree | None, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Return the path to each state that is not looked into, and its type."""
    if isinstance(tree, Opaque):
        yield path, tree.kind
    elif isinstance(tree, Node):
        for name, part in tree.parts:
            yield from opaque_places(part, (*path, name))


def optional(hint: Any) -> bool:
    """Return whether None may be given."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(bare) in (Union, types.UnionType) and type(None) in get_args(bare)


def choices_of(hint: Any, default: Any) -> tuple[Any, ...] | None:
    """Return the values that an option may have, the default first; None where only its default is known to work."""
    bare, markers = _bare(hint, ())
    values: tuple[Any, ...] = next((marker.values for marker in markers if isinstance(marker, Options)), ())
    if not values and get_origin(bare) is Literal:
        values = get_args(bare)
    if not values and bare is bool:
        values = (False, True)
    return tuple(sorted(values, key=lambda value: value != default)) or None


def is_switch(hint: Any) -> bool:
    """Return whether an option is True or False, or None too, and no values are said beside its type."""
    return _bare(hint, ()) == (bool, ())


def _bare(
    hint: Any, markers: tuple[Any, ...], opaque: tuple[Any, ...] = (), beside: tuple[Any, ...] = ()
) -> tuple[Any, tuple[Any, ...]]:
    """The type itself, without Annotated and ``| None``, and what is said beside it.

    Of several types it is the one with the most tensors, such as (output, state) where an option lets the state come back too.
    """
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            for one in more:
                if one in MARKERS:
                    raise Unreadable(f"has rnncheck.{one.__name__} beside its type, but should have rnncheck.{one.__name__}(…)")
            markers = (*markers, *more)
            continue
        others = [one for one in get_args(hint) if one is not type(None)]
        if get_origin(hint) not in (Union, types.UnionType) or not others:
            return hint, markers
        tensors = {one: len([*leaves(tree_of(one, (), opaque, beside))]) for one in others}
        if len(others) > 1 and not any(tensors.values()):
            return hint, markers
        hint = max(others, key=tensors.__getitem__)


def _parts(hint: Any) -> list[tuple[str | int, Any]]:
    """What is inside a container, under names or numbers."""
    if get_origin(hint) is tuple and Ellipsis not in get_args(hint):
        return list(enumerate(get_args(hint)))
    inner = [one for one in get_args(hint) if one is not Ellipsis][-1:]  # nothing in a plain typing.Dict
    if get_origin(hint) in (tuple, list, Sequence, Iterable) and inner and tree_of(inner[0]) is not None:
        raise Unreadable(f"is a {get_origin(hint).__name__.lower()} of any length; say how many tensors, tuple[A, B], {CARRIED}")
    if get_origin(hint) in (dict, Mapping) and inner and tree_of(inner[0]) is not None:
        raise Unreadable(f"is a dict with any keys; say which tensors, each with its type, in a TypedDict, {CARRIED}")
    named = isinstance(hint, type) and (hasattr(hint, "_fields") or dataclasses.is_dataclass(hint) or typing.is_typeddict(hint))
    return list(hints_of(hint).items()) if named else []


def _kind(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return "tuple"
    return "dict" if typing.is_typeddict(hint) else f"{hint.__module__}:{hint.__qualname__}"


def _dtypes(hint: Any) -> tuple[str, ...]:
    """The dtypes that a tensor may have; of ``Shaped``, which names none, the usual ones."""
    return tuple(hint.dtypes) if isinstance(hint.dtypes, list | tuple) else ("float32", "float64")


def _axes(hint: Any) -> tuple[str, ...]:
    return tuple(_axis(text) for text in str(hint.dim_str).split())


def _axis(text: str) -> str:
    """An axis as jaxtyping writes it, as a name or arithmetic.

    ``*batch`` and ``...`` are the batch; ``{self.units}``, or ``{self.cell.units}`` of a part, is units.
    """
    text = text.lstrip("*?#").partition("=")[2] or text.lstrip("*?#")
    if text == "...":
        return "batch"
    if text.startswith("_"):
        raise Unreadable(f"has an axis {text} without a name; name it")
    text = re.sub(r"\bself\.(\w+\.)*", "", text.replace("{", "").replace("}", ""))
    _check_arithmetic(text)
    return text


def _check_arithmetic(axis: str) -> None:
    """Raise Unreadable where an axis is no arithmetic of names and whole numbers."""
    try:
        nodes = list(ast.walk(ast.parse(axis, mode="eval").body))
    except SyntaxError:
        nodes = [ast.Pass()]
    known = (ast.BinOp, ast.Name, ast.Constant, ast.Load, *ARITHMETIC)
    if not all(isinstance(node, known) for node in nodes):
        raise Unreadable(f"has an axis {axis}, but should have a name, a number, or sums and products of these, such as 2*hidden")


def _check_is_tensor(hint: Any) -> None:
    kind = hint.array_type
    if isinstance(kind, type) and not issubclass(kind, Tensor):
        raise Unreadable(f'is of {kind.__name__}, but should be of Tensor: Float[Tensor, "{hint.dim_str}"]')


def said(place: str, found: Unreadable) -> UsageError:
    """Return the error of an annotation that cannot be read."""
    return UsageError(f"{place} {found.words}")
