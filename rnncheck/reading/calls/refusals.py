"""Which calls a module refuses whatever some of their arguments are: it fails before it looks at these."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.calls.experiment import Sizes, Start, call, told

OF_CLASSES = {f"__{name}__" for name in ("class", "dict", "doc", "init", "init_subclass", "module", "new", "subclasshook")}
"""What a class needs itself."""
SPECIAL = {
    *(name for kind in (complex, int, list, dict, set, str, Tensor) for name in dir(kind) if name.startswith("__")),
    *("__call__", "__enter__", "__exit__", "__next__", "__await__", "__torch_function__"),
} - {*OF_CLASSES, "__weakref__"}
"""The methods by which Python and torch look at a value."""
NAME = "NotGiven"


@dataclass(frozen=True)
class Refused:
    """A call that fails, and why."""

    reason: str


class Refusals:
    """What is known of the calls that one module refuses, each for its form and the values that it looks at before it fails.

    A call is made with values that nobody may look at. If it fails and no one did, it fails with any values in these places. If
    one was looked at, this one is given, and so on. Such calls are made to copies, in which they may leave what they like.
    """

    def __init__(self, module: Any, sizes: Sizes) -> None:
        self.module, self.sizes = module, sizes
        self.met: dict[Any, str | Refused] = {}
        self.types = types_of(module)

    def reason(self, how: Mapping[str, Any], start: Start | None = None) -> str | None:
        """Return why a call in this form fails, with this state or with any; None where that is not known."""
        if self.types:
            return None if start is None else self._of_another_type(start)
        found = self.met.get(self._last(how, start))
        return found.reason if isinstance(found, Refused) else None

    def learn(self, how: Mapping[str, Any], start: Start, given: Tensor) -> None:
        """Find out how much of a failed call has to be as it was so that it fails."""
        names = [*(one[0] for one in how.get("beside", ())), *start.names]
        while not self.types:
            last = self._last(how, start)
            known = [name for name, _ in last[1]]
            if last in self.met or len(known) == len(names):
                return
            self.met[last] = self._met(how, start, given, [name for name in names if name not in known])

    def _of_another_type(self, start: Start) -> str | None:
        """Why a compiled module refuses a state, which it does before it runs; None where its type fits."""
        for name, value in zip(start.names, start.values, strict=True):
            kind = torch._C._jit_try_infer_type(value)
            if name in self.types and kind.success() and not kind.type().isSubtypeOf(self.types[name]):
                return f"{name} is a {kind.type()}, but should be a {self.types[name]}"
        return None

    def _last(self, how: Mapping[str, Any], start: Start | None) -> tuple[str, tuple[Any, ...]]:
        """The form of a call, with the values that it looks at one after the other, as far as they are known."""
        beside = {name: tuple(filling) for name, *filling in how.get("beside", ())}
        states = {} if start is None else dict(zip(start.names, start.values, strict=True))
        form = repr([list(beside), {word: how[word] for word in how if word != "beside"}])
        known: tuple[Any, ...] = ()
        while (name := self.met.get((form, known))) in beside or name in states:
            assert isinstance(name, str)
            known = (*known, (name, beside[name] if name in beside else described(states[name])))
        return form, known

    def _met(self, how: Mapping[str, Any], start: Start, given: Tensor, hidden: list[str]) -> str | Refused:
        """Which of the hidden values a call looks at first, or that it fails before; the first one where neither is certain."""
        looked: list[str] = []
        values = dict(zip(start.names, start.values, strict=True))
        values |= {name: not_given(name, looked.append) for name in hidden}
        begun = Start(tuple(values.values()), tuple(values))
        form = {**how, "beside": [one for one in how.get("beside", ()) if one[0] not in hidden]}
        try:
            call(copy.deepcopy(self.module), form, begun, given, self.sizes)
        except Exception as error:
            if not looked and not _asks_for_a_kind(error):
                return Refused(told(error))
        return looked[0] if looked else hidden[0]


def types_of(module: Any) -> Mapping[str, Any]:
    """Return the types of the arguments that TorchScript compiled; nothing of another module, where they are not checked."""
    schema = getattr(getattr(module, "forward", None), "schema", None) if isinstance(module, torch.jit.ScriptModule) else None
    return {} if schema is None else {one.name: one.type for one in schema.arguments}


class LookedAt(Exception):
    """Somebody looks at a value that is not given."""


def not_given(name: str, look: Callable[[str], None]) -> Any:
    """Return a stand-in for an argument of this name: whoever looks at it calls look(name), and gets LookedAt."""

    def asked(*_: Any, **__: Any) -> Any:
        look(name)
        raise LookedAt(name)

    return type(NAME, (), dict.fromkeys((*SPECIAL, "__getattribute__"), asked))()


def _asks_for_a_kind(error: Exception) -> bool:
    """Whether an error may come of the kind of a value: it names it, or code that asks for kinds raised it."""
    return NAME in str(error) or any("type" in frame.f_code.co_names for frame, _ in walk_tb(error.__traceback__))


def described(value: Any) -> Any:
    """Return what distinguishes the value of a state from others, as a key."""
    if isinstance(value, Tensor):
        return "tensor", str(value.dtype), tuple(value.shape), tuple(value.flatten().tolist())
    if type(value) in (tuple, list):
        return type(value).__name__, *map(described, value)
    if type(value) is dict:
        return "dict", *((name, described(one)) for name, one in value.items())
    return id(value), type(value).__name__
