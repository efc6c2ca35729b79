"""Which parameters a module has for other methods than its call, such as one that computes the loss."""

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch import nn

AFTER_CALLS = ("loss", "score", "likelihood", "nll", "log_prob", "decode", "viterbi", "partition", "beam", "energy", "generate")
"""Parts of names of methods that go on from what a call returns; one that makes a step in another way is none of them."""


def for_other_methods(module: Any, names: set[str]) -> tuple[str, ...]:
    """Return those of these parameters that the module's own code names, though in no method that its call leads to."""
    if not isinstance(module, nn.Module):
        return ()
    methods = {name: method for kind in reversed(type(module).__mro__) if not issubclass(nn.Module, kind)
               for name, method in vars(kind).items() if inspect.isfunction(method)}  # fmt: skip
    words = {name: set(_words(method.__code__)) for name, method in methods.items()}
    reached, waiting = set[str](), ["forward"]
    while waiting:
        name = waiting.pop()
        if name in words and name not in reached:
            reached.add(name)
            waiting += words[name]
    others = [name for name in words if name not in reached and any(word in name.lower() for word in AFTER_CALLS)]
    mine = {name: name.partition(".")[0] for name in names}
    in_the_call = set().union(*(words[name] for name in reached))
    elsewhere = set().union(*(words[name] for name in others))
    return tuple(sorted(name for name, attribute in mine.items() if attribute in elsewhere - in_the_call))


def _words(code: CodeType) -> Iterator[str]:
    """The names of attributes in a function and in the functions inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _words(inner)
