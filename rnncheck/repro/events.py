"""What a check did, one thing after the other, as a script shows it: copies of what went in and of what came out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.adapters.forms import Form
from rnncheck.repro.literal import Shown


@dataclass
class Event:
    """One thing done to one layer (``layer`` counts from 1). ``values`` are the tensors that came out, by expression.

    facts: what else came out of it; made: the layer that came out of it; only_looks: whether it changes nothing
    grad: whether gradients were enabled; around: what else it was done in, as Python
    seed: that of the random numbers with which a layer was built
    form: the form in which a layer was built, where that is not its own, and the attribute that has the layer which declares it
    """

    kind: str
    layer: int
    arguments: tuple[Any, ...] = ()
    values: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    error: BaseException | None = None
    grad: bool = False
    around: tuple[str, ...] = ()
    made: int = 0
    only_looks: bool = False
    form: tuple[Form, str] | None = None
    seed: int = 0

    @property
    def is_deed(self) -> bool:
        """Whether it is a deed of a property, which has a function of its own."""
        return self.kind == "deed"

    @property
    def layers(self) -> set[int]:
        """The layers that it was done to."""
        return {self.layer, *(part.number for part in self.arguments[1:] if isinstance(part, Shown) and part.number)}

    def do(self, it: Callable[[], Any]) -> Any:
        """Return its result; note what it raises."""
        try:
            return it()
        except BaseException as error:
            self.error = error
            raise

    def note(self, name: str, result: Any) -> None:
        """Keep all that came out of a deed, by its expression in the script."""
        parts = dict(named_parts(name, result))
        self.values = {name: frozen(part) for name, part in parts.items() if isinstance(part, Tensor)}
        self.facts = {name: part for name, part in parts.items() if not isinstance(part, Tensor)}


def frozen(value: Any) -> Any:
    """A copy that later writes cannot change, with the same strides."""
    if isinstance(value, PackedSequence):
        return PackedSequence(*(frozen(part) for part in value))
    if isinstance(value, Tensor):
        plain = value.detach()
        return plain.clone() if plain.is_contiguous() and not plain.storage_offset() else _in_its_memory(plain)
    if isinstance(value, dict):
        return {name: frozen(part) for name, part in value.items()}
    if not isinstance(value, tuple):
        return value
    copies = {id(part): frozen(part) for part in value}  # of one tensor that is given twice there is one copy
    return tuple(copies[id(part)] for part in value)


def _in_its_memory(value: Tensor) -> Tensor:
    """Return a copy that lies in memory as this tensor does."""
    if value.is_meta or type(value) is not Tensor:
        return value
    return torch.empty(0, dtype=value.dtype, device=value.device).set_(
        value.untyped_storage().clone(), value.storage_offset(), value.shape, value.stride()
    )


def named_parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in dicts, lists and tuples, and these themselves where no tensors are in them, by expression."""
    inside: dict[Any, Any] = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list | tuple) else {}
    parts = [part for key, one in inside.items() for part in named_parts(f"{name}[{key!r}]", one)]
    if not any(isinstance(part, Tensor) for _, part in parts):
        yield name, value
    yield from parts


def with_parts(name: str, value: Any, change: Callable[[str, Tensor], Tensor]) -> Any:
    """Return the same with each tensor changed; change: takes its expression, as in ``named_parts``, and the tensor."""
    if isinstance(value, Tensor):
        return change(name, value)
    if isinstance(value, dict):
        return {key: with_parts(f"{name}[{key!r}]", one, change) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(with_parts(f"{name}[{key!r}]", one, change) for key, one in enumerate(value))
    return value


def as_results(given: Any, known: Mapping[str, Tensor], right: tuple[Any, Mapping[str, Tensor]] | None) -> Any:
    """Return what a call was given, with the expression of each tensor that an earlier call returned.

    right: what a right layer was given there, and what it returned before; None where that is not known
    """
    if isinstance(given, tuple) and not isinstance(given, PackedSequence):
        alike = right is not None and isinstance(right[0], tuple) and len(right[0]) == len(given)  # or else it did something else
        pairs = zip(given, right[0] if right is not None and alike else (None,) * len(given), strict=True)
        return _beside(tuple(as_results(one, known, right and (other, right[1])) for one, other in pairs), known)
    if not isinstance(given, Tensor) or not bool(given.any()):
        return given
    for expression, value in reversed(list(known.items())):
        if _equal(given, value) and (right is None or _equal(right[0], right[1].get(expression))):
            return Shown(f"{expression}.detach().clone()")
    return given


def _beside(parts: tuple[Any, ...], known: Mapping[str, Tensor]) -> tuple[Any, ...]:
    """The parts of a state, with the expression of one of zeros where the others are those that one call returned."""
    found = {part.text.rpartition("[")[0] for part in parts if isinstance(part, Shown)}
    if len(found) != 1:
        return parts
    named = ((f"{min(found)}[{place}]", part) for place, part in enumerate(parts))
    return tuple(Shown(f"{name}.detach().clone()") if _equal(part, known.get(name)) else part for name, part in named)


def _equal(one: Any, other: Any) -> bool:
    tensors = isinstance(one, Tensor) and isinstance(other, Tensor)
    return tensors and (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device) and torch.equal(one, other)
