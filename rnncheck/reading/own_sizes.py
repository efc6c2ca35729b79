"""Sizes of a layer that no name tells: of one whose constructor takes none, and of a state whose size has a default."""

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.calls.call_arguments import state_parameters
from rnncheck.reading.calls.experiment import HIDDEN, Sizes, Unreadable
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.guessed_values import value_for
from rnncheck.reading.constructor.size_words import UNSAID, size_of
from rnncheck.reading.read import read_again, read_module
from rnncheck.reading.said import Said
from rnncheck.reading.second_looks import Built, of_any_number
from rnncheck.reading.seen import Seen
from rnncheck.reading.signature import parameters_of

FEW = 4
"""Up to as many sizes of parameters, input and state may share one of them."""


def of_other_sizes(value: Any, best: Built | None, said: Said, tried: list[Arguments],
                   build: Callable[[Arguments], Built]) -> Built | None:  # fmt: skip
    """Return a better way to build and read the target than the best one by the names of sizes, or that one.

    tried: ways to build it by these names, in order; build: builds and reads it with these arguments
    """
    first = [one for one in tried if one.input and one.hidden][:1]
    known = first if best is None or not best[0].recurs else [best[1]] if best[0].unread else []
    for arguments in (more for one in known if one is not None for more in _with_a_default(value, one)):
        with suppress(Exception):  # it is not built like this
            built = build(arguments)
            best = built if best is None or built[0].score > best[0].score else best
    if best is None or not best[0].recurs:
        return _with_own_sizes(value, said, refused=best is None) or best
    return _with_own_input(best, said) or best if best[0].depends.rows < 1 else best


def _with_own_input(best: Built, said: Said) -> Built | None:
    """The same with an input of a size of its own, in which rows stay apart: a view takes rows for more features of one.

    None where there is no such size
    """
    seen, arguments, module, config = best
    if arguments is None or not isinstance(module, nn.Module) or arguments.bundle is not None or "input_size" in said:
        return None
    for width in [one for one in _widths(module) if one != config.input_size]:
        with suppress(Unreadable):  # no call takes such an input
            read_again(module, seen.how, Sizes(width, config.hidden_size))  # which is soon known
            other = read_module(module, Sizes(width, config.hidden_size), said=said)
            if other.depends.rows == 1 and other.score > seen.score:
                positions, named = arguments.of(config)
                given: dict[Any, Any] = dict(enumerate(positions)) | named
                own = Arguments((), (), {}, given, own=(width, config.hidden_size))
                return other, own, module, config.but(input_size=width)
    return None


def _with_own_sizes(value: Any, said: Said, refused: bool) -> Built | None:
    """The target built with no sizes, where its constructor takes none, and how it is read; None where it cannot be.

    refused: whether no call takes an input of the size that it is built with, so that each input may be a number
    """
    arguments = _arguments(value, refused)
    if arguments is None or {"input_size", "hidden_size"} & said.keys():
        return None
    try:
        module = value(**arguments.others).double().eval()
        seen, sizes = _read(module, said)
    except Exception:  # what is wrong is said by the ways to build it that were tried before
        return None
    return seen, replace(arguments, own=(sizes.input, sizes.hidden)), module, Config("RNN_TANH", sizes.input, sizes.hidden)


def _with_a_default(target: Any, known: Arguments) -> Iterator[Arguments]:
    """The arguments with one more size for the state: each number that has a default, whatever it is called; then all of them."""
    taken = (*known.input, *known.hidden, *known.options.values(), *known.others)
    left = [p for p in parameters_of(target) if p.name not in taken and size_of(p.name) != "input"] if known.bundle is None else []
    sizes = [p.name for p in left if type(p.default) is int and p.default > 1]
    for more in dict.fromkeys((*((name,) for name in sizes), *([tuple(sizes)] if sizes else []))):
        yield replace(known, hidden=(*known.hidden, *more))


def _arguments(target: Any, of_numbers: bool) -> Arguments | None:
    """Return what the constructor is given that takes no input size; None where it takes one, or more than a number.

    of_numbers: whether each input is a number, so that the sizes of input and output are 1
    """
    try:
        parameters = [p for p in parameters_of(target) if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    except (TypeError, ValueError):
        return None
    ones = {p.name: 1 for p in parameters if of_numbers and p.annotation in UNSAID and size_of(p.name) in ("input", "result")}
    required = [p for p in parameters if p.default is p.empty and p.name not in ones]
    if any(size_of(p.name) == "input" for p in parameters if p.name not in ones):
        return None
    if sum(p.annotation in UNSAID for p in required) > 1:
        return None
    others = {p.name: HIDDEN if p.annotation in UNSAID else value_for(p) for p in required}
    return Arguments((), (), {}, {**ones, **others})


def of_object(value: nn.Module, said: Said) -> Built:
    """Read a module that exists already, and says nothing of its sizes; raises Unreadable where none of its numbers fit."""
    module = copy.deepcopy(value).double().eval()
    seen, sizes = _read(module, said)
    own = (sizes.input, sizes.hidden)
    return seen, Arguments((), (), own=own), module, Config("RNN_TANH", *own)


def _read(module: nn.Module, said: Said) -> tuple[Seen, Sizes]:
    """Return how a module is called that has sizes of its own, and which; raises Unreadable where none of its numbers fit."""
    widths = _widths(module)
    needs_a_state = any(p.default is p.empty for p in state_parameters(module))
    reason = Unreadable("it has no parameters")
    for input in widths:
        best: tuple[Seen, Sizes] | None = None
        for hidden in reversed(widths):  # the state's size rather than a part of it
            try:
                seen = of_any_number(module, Sizes(input, hidden), said)
            except Unreadable as error:
                reason = error
                if needs_a_state:
                    continue
                break  # no call takes such an input
            if best is None or seen.score > best[0].score:
                best = seen, Sizes(input, hidden)
            if seen.complete or not (seen.unread or seen.how["given"]):
                break
        if best is not None and best[0].recurs:
            return _as_wide_as_its_output(module, *best, said)
    raise reason


def _widths(module: nn.Module) -> list[int]:
    """The sizes that input and state may have, in order: those of the parameters, of a gate, and what is left beside one."""
    whole = {size for p in (*module.parameters(), *module.buffers()) if p.dim() > 1 for size in p.shape}
    gates = {size // gates for size in whole for gates in (1, 3, 4) if size % gates == 0}
    beside = {one - other for one in whole for other in gates if one > other} if len(whole) <= FEW else set()
    return sorted(whole | gates | beside)


def _as_wide_as_its_output(module: nn.Module, seen: Seen, sizes: Sizes, said: Said) -> tuple[Seen, Sizes]:
    """The same with the output's size for the state's, where no state is known."""
    features = seen.how["features"]
    if features is None or seen.how["states"] is not None or seen.how["given"]:
        return seen, sizes
    narrow = replace(sizes, hidden=features)
    again = read_module(module, narrow, said=said)
    return (again, narrow) if again.how["states"] is None and not again.how["given"] else (seen, sizes)
