"""What a module's own code says by the names in it: what is for other methods than its call, and whether it counts axes."""

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch import nn

from rnncheck.reading.adapter.token_ids import Vectors

AFTER_CALLS = ("loss", "score", "likelihood", "nll", "log_prob", "decode", "viterbi", "partition", "beam", "energy", "generate")
"""Parts of names of methods that go on from what a call returns; one that makes a step in another way is none of them."""

ONE_HOT = {"one_hot", "eye", "scatter", "scatter_"}
"""Functions that make one-hot vectors of ids, or a matrix whose rows they are."""
COUNTS = {"dim", "ndim", "ndimension"}
"""Attributes of a tensor that say how many axes it has."""


def counts_axes(module: Any) -> bool:
    """Whether the module's own code, or that of a module inside, asks how many axes a tensor has: torch's own modules do."""
    if not isinstance(module, nn.Module):
        return False
    own = (type(part) for part in module.modules() if not type(part).__module__.startswith("torch."))
    return any(COUNTS & words for kind in own for words in _methods(kind).values())


def normalises_over_rows(module: Any) -> bool:
    """Whether training computes with the mean of all rows, and moves what eval() computes with, as torch's batch norm does."""
    parts = module.modules() if isinstance(module, nn.Module) else ()
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats for part in parts)


def looks_up(module: Any) -> bool:
    """Whether the module has a table of vectors for token ids."""
    return isinstance(module, nn.Module) and any(isinstance(part, nn.Embedding | Vectors) for part in module.modules())


def knows_ids(module: nn.Module) -> bool:
    """Whether a call looked up an id that it was not given, such as that of the start of a sentence."""
    return any(isinstance(part, Vectors) and part.knows_ids for part in module.modules())


def makes_one_hot(module: Any) -> bool:
    """Whether the module's own code may make vectors of ids: one-hot vectors, or rows of a matrix."""
    kinds = type(module).__mro__ if isinstance(module, nn.Module) else ()
    return any(ONE_HOT & words for kind in kinds for words in _methods(kind).values())


def uses_weights(module: nn.Module) -> bool:
    """Whether the code of a call, of the module's own or of a module inside, names a weight."""
    parts = (part for part in module.modules() if not isinstance(part, Vectors))
    own = (type(part) for part in parts if not type(part).__module__.startswith("torch."))
    return any("weight" in _in_a_call(_methods(kind)) for kind in own)


def for_other_methods(module: Any, names: set[str]) -> tuple[str, ...]:
    """Return those of these parameters that the module's own code names, though in no method that its call leads to."""
    if not isinstance(module, nn.Module):
        return ()
    words = _methods(type(module))
    reached = _reached(words)
    others = [name for name in words if name not in reached and any(word in name.lower() for word in AFTER_CALLS)]
    mine = {name: name.partition(".")[0] for name in names}
    in_the_call = _in_a_call(words)
    elsewhere = set().union(*(words[name] for name in others))
    return tuple(sorted(name for name, attribute in mine.items() if attribute in elsewhere - in_the_call))


def _in_a_call(words: dict[str, set[str]]) -> set[str]:
    """The names in the methods that a call leads to."""
    return set[str]().union(*(words[name] for name in _reached(words)))


def _reached(words: dict[str, set[str]]) -> set[str]:
    """The methods that a call leads to."""
    reached, waiting = set[str](), ["forward"]
    while waiting:
        name = waiting.pop()
        if name in words and name not in reached:
            reached.add(name)
            waiting += words[name]
    return reached


def _methods(kind: type) -> dict[str, set[str]]:
    """The methods of a kind of module that are its author's, with those that they extend, and the names of attributes in each."""
    own = [one for one in kind.__mro__ if not issubclass(nn.Module, one) and not one.__module__.startswith("torch.")]
    words: dict[str, set[str]] = {}
    for name, method in ((name, method) for one in own for name, method in vars(one).items() if inspect.isfunction(method)):
        if name not in words or "super" in words[name]:
            words[name] = words.get(name, set()) | set(_words(method.__code__))
    return words


def _words(code: CodeType) -> Iterator[str]:
    """The names of attributes in a function and in the functions inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _words(inner)


def convolves(module: Any) -> bool:
    """Return whether a convolution is inside, through which a step sees those around it."""
    return isinstance(module, nn.Module) and any(isinstance(part, nn.Conv1d | nn.Conv2d) for part in module.modules())


def sees(module: Any) -> list[bool | str]:
    """Return whether the module has the weights of a convolution over two axes of pixels (True), or over one ("row")."""
    axes = {p.dim() for p in module.parameters()} if isinstance(module, nn.Module) else set()
    return [*([True] if 4 in axes else []), *(["row"] if 3 in axes and convolves(module) else [])]
