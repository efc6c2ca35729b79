"""The functions that the judge uses, as they were before a subject's code could replace them.

A subject may replace torch.Tensor.abs, or time.monotonic, when it is imported or when it is called. What it replaced is in place
while its own code runs, and ours is in place while we compare: each sees the functions that it expects.
"""

import builtins
import contextlib
import copy
import gc
import itertools
import math
import operator
import os
import pickle
import random
import select
import signal
import struct
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import repeat
from types import CodeType, FunctionType
from typing import Any

import torch

PACKAGE = "rnncheck."
HOLDERS: tuple[Any, ...] = (
    torch.Tensor, torch, torch.autograd, torch.nn.functional, torch.linalg, torch.nn.utils.rnn, builtins, math, operator,
    itertools, copy, time, os, signal, select, pickle, struct, random,
)  # fmt: skip
"""Where the functions are found that our code uses."""
TORCH = os.path.dirname(torch.__file__)
MISSING = object()
_all, _list, _map, _zip, _vars, _is, _setattr, _delattr = all, list, map, zip, vars, operator.is_, setattr, delattr
"""What is used here while a subject's replacements may be in place."""
_before = [dict(vars(holder)) for holder in HOLDERS]
"""What the holders held when rnncheck was imported."""
OPERATORS = ("add", "sub", "mul", "truediv", "matmul", "pow", "mod", "floordiv")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "invert", "neg", "abs", "pos")
"""What is written with signs, and has no name in our code."""
SIGNS = frozenset(
    f"__{name}__"
    for name in (
        *COMPARISONS, *OPERATORS, *(f"r{name}" for name in OPERATORS), *(f"i{name}" for name in OPERATORS),
        "getitem", "setitem", "bool", "float", "int", "len", "iter", "contains", "index", "torch_function",
    )
)  # fmt: skip


class Held:
    """The functions of one holder, as they were when rnncheck was imported."""

    def __init__(self, holder: Any, ours: dict[str, Any]) -> None:
        self.holder, self.ours = holder, ours
        present = [name for name, own in ours.items() if own is not MISSING]
        self.inherited = frozenset(ours.keys() - set(present))
        self.get = operator.itemgetter(*present, present[0])  # of two names or more it returns a tuple
        self.own = self.get(ours)

    def intact(self) -> bool:
        """Return whether nothing is replaced: asked after each call, so by as few steps as can be."""
        now = _vars(self.holder)
        try:
            same = _all(_map(_is, self.get(now), self.own))
            return same and (not self.inherited or self.inherited.isdisjoint(now))  # which goes through all that there is now
        except KeyError:
            return False

    def replaced(self) -> list[tuple[Any, str, Any, Any]]:
        """Return (holder, name, what is there now, ours) of each function that is another now, and not by torch itself."""
        now = _list(_map(_vars(self.holder).get, self.ours, repeat(MISSING)))
        changed = [(name, theirs, own) for (name, own), theirs in _zip(self.ours.items(), now, strict=True) if theirs is not own]
        self.ours |= {name: theirs for name, theirs, _ in changed if _wrapped_by_torch(name, theirs)}
        self.own = self.get(self.ours)
        return [(self.holder, name, theirs, own) for name, theirs, own in changed if not _wrapped_by_torch(name, theirs)]


class Kept:
    """The functions that we use, each by its holder and name; ``theirs``: those that a subject put in their place."""

    def __init__(self) -> None:
        names = names_used()
        found = [
            (holder, {name: before.get(name, MISSING) for name in _found_in(holder, before, names)})
            for holder, before in zip(HOLDERS, _before, strict=True)
        ]
        self.held = [Held(holder, ours) for holder, ours in found if ours]
        self.theirs: list[tuple[Any, str, Any, Any]] = []
        self.theirs_in_place = True
        self.recursion_limit = sys.getrecursionlimit()

    def leave(self) -> None:
        """The subject's code has ended: what it has replaced is noted, and ours is put back.

        Where the subject's code had called ours, which called the subject, ours is back since then: what was noted stays.
        """
        if self.theirs_in_place:
            self.theirs = []
        for held in self.held:
            if not held.intact():
                self.theirs += held.replaced()
        for holder, name, _, own in self.theirs:
            _put(holder, name, own)
        self.theirs_in_place = False
        if sys.getrecursionlimit() < self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)

    def enter(self) -> None:
        """The subject's code begins: what it has replaced is in place."""
        for holder, name, theirs, _ in self.theirs:
            _put(holder, name, theirs)
        self.theirs_in_place = True

    def replaced(self) -> list[str]:
        """Return the names of the functions that the subject replaced, as ``torch.Tensor.abs``."""
        return list(dict.fromkeys(f"{_name(holder)}.{name}" for holder, name, _, _ in self.theirs))


def _put(holder: Any, name: str, function: Any) -> None:
    if function is MISSING:
        with contextlib.suppress(AttributeError):
            _delattr(holder, name)
    else:
        _setattr(holder, name, function)


def _wrapped_by_torch(name: str, now: Any) -> bool:
    """Return whether torch itself has put a function of the same name there, as torch.compile does with manual_seed."""
    return type(now) is FunctionType and now.__name__ == name and now.__code__.co_filename.startswith(TORCH)


def _name(holder: Any) -> str:
    return "torch.Tensor" if holder is torch.Tensor else str(holder.__name__)


def _found_in(holder: Any, before: dict[str, Any], names: frozenset[str]) -> tuple[str, ...]:
    """Return those of the names under which the holder has a function; of a class, also what it inherits, and the signs."""
    if isinstance(holder, type):
        inherited = {name: getattr(above, name) for above in holder.__bases__ for name in dir(above)}
        known, names = {**inherited, **before}, names | SIGNS
    else:
        known = before
    return tuple(sorted(name for name in names & set(known) if _is_function(known[name])))


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) or isinstance(value, property) or hasattr(value, "__set__")


def names_used() -> frozenset[str]:
    """Return every name of a function or an attribute that stands in the code of our functions, as far as they are loaded."""
    return _names_used(sum(name.startswith(PACKAGE) for name in list(sys.modules)))


@cache
def _names_used(modules: int) -> frozenset[str]:
    ours = (one for one in gc.get_objects() if type(one) is FunctionType and (one.__module__ or "").startswith(PACKAGE))
    return frozenset[str]().union(*(_names_in(one.__code__) for one in ours))


def _names_in(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


_active: list[Kept] = []
"""What is kept in this process; empty where nothing is, as in a user's own."""


@contextlib.contextmanager
def kept() -> Iterator[Kept]:
    """Inside, our functions stay ours between the subject's calls; what it replaced is in place again afterwards."""
    if _active:
        yield _active[0]
        return
    _active.append(Kept())
    try:
        left()
        yield _active[0]
    finally:
        _active.pop().enter()


def note() -> dict[str, str]:
    """Return what a report says of functions that the subject replaced when it was imported; {} where there are none."""
    names = [name for one in _active for name in one.replaced()]
    return {"replaced": f"{', '.join(names)} (the subject runs with its own, and is judged with the original)"} if names else {}


def entered() -> None:
    """Say that a subject's code begins."""
    for one in _active:
        one.enter()


def left() -> None:
    """Say that a subject's code has ended."""
    for one in _active:
        one.leave()


@contextlib.contextmanager
def subject_code() -> Iterator[None]:
    """Inside, a subject's code runs."""
    entered()
    try:
        yield
    finally:
        left()
