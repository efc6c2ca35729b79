"""The ways to build and to call a target, tried in turn: the first that nothing contradicts, or else the best one."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from torch import nn

from rnncheck.core.config import Config
from rnncheck.reading.adapter.given_beside import NODES
from rnncheck.reading.calls.experiment import HIDDEN, INPUT, Sizes, Unreadable, made, told
from rnncheck.reading.calls.time_limit import is_over
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.asked import Asked
from rnncheck.reading.constructor.candidates import candidates
from rnncheck.reading.constructor.multiples import in_multiples, larger
from rnncheck.reading.in_training import draws
from rnncheck.reading.left_out import defaults_of
from rnncheck.reading.own_sizes import of_other_sizes
from rnncheck.reading.read import read_module
from rnncheck.reading.said import Said
from rnncheck.reading.second_looks import (
    Built,
    of_any_number,
    with_fixed_features,
    with_flags_on,
    with_halves,
    with_layers_by_default,
    without_matrices,
)
from rnncheck.reading.seen import Seen

SIMPLEST = Config("RNN_TANH", INPUT, HIDDEN)
HIDDEN_SIZES = (HIDDEN, 11, 13, 17, 19)
"""Primes, so that no other size of an experiment divides them."""


def simplest(value: Any, arguments: Arguments) -> Config:
    """The configuration in which a target is built first: its hidden size is the default of no number that is not given."""
    defaults, given = defaults_of(value, arguments), (*arguments.hidden, *arguments.others)
    left = [number for name, number in defaults.items() if type(number) is int and name not in given]
    hidden = next((size for size in HIDDEN_SIZES if size not in left), HIDDEN)
    return SIMPLEST.but(input_size=hidden if arguments.square else INPUT, hidden_size=hidden)


def best_way(value: Any, cell_first: bool, said: Said) -> Built:
    """The first way to build and call it that nothing contradicts, or else the best one."""
    best: Built | None = None
    by_chance: Built | None = None
    failures, called, tried = list[str](), list[Unreadable](), list[Arguments]()
    for arguments in candidates(value, said.get("input_size"), said.get("hidden_size")):
        if failures and is_over():
            break  # the reason of the first attempt says what was not tried
        tried.append(arguments)
        try:
            built = _built(value, arguments, cell_first, said, alone=best is None)
        except Exception as error:  # it is not built like this
            failures.append(told(error))
            called += [error] if isinstance(error, Unreadable) else []
            continue
        if _is_of_nodes_by_chance(value, built):
            by_chance = by_chance or built
            continue
        if best is None or built[0].score > best[0].score:
            best = built
        if built[0].complete:
            break
    best = best or by_chance
    build = partial(_built, value, cell_first=cell_first, said=said, alone=False)
    if best is None and called:
        best = _in_other_sizes(tried, build)
    best = of_other_sizes(value, best, said, tried, build)
    if best is None:
        reason = (called or [Unreadable((failures or ["its constructor takes no sizes"])[0])])[0]
        reason.built = bool(called)
        raise reason
    read = partial(_read_again, best[3], best[0].directions, cell_first, said)
    best = with_layers_by_default(value, with_flags_on(best, build), build)
    return with_halves(value, with_fixed_features(value, without_matrices(value, best, read)))


def _is_of_nodes_by_chance(value: Any, built: Built) -> bool:
    """Whether it is read as a graph with as many nodes as a number is by default that it was not given."""
    seen, arguments, _, _ = built
    if not seen.how.get("nodes") or arguments is None:
        return False
    defaults = defaults_of(value, arguments)
    given = (*arguments.input, *arguments.hidden, *arguments.options.values(), *arguments.others)
    return any(type(number) is int and number == len(NODES) for name, number in defaults.items() if name not in given)


def _read_again(config: Config, directions: int, cell_first: bool, said: Said, module: Any, more: Said) -> Seen:
    """How a module is called, where more is said of it."""
    return read_module(
        module, Sizes(config.input_size, config.hidden_size, config.num_layers, directions), cell_first, {**more, **said}
    )


def _in_other_sizes(tried: list[Arguments], build: Callable[..., Built]) -> Built | None:
    """The first way to build it that can be called in other sizes: a call may want multiples of a number of heads."""
    for arguments in tried:
        smallest, *_, largest = larger(arguments, SIMPLEST)
        for config in (smallest, largest):
            if is_over():
                return None
            with suppress(Exception):  # these sizes are no better
                built = build(arguments, config=config)
                if built[0].recurs:
                    return built
    return None


def _built(value: Any, arguments: Arguments, cell_first: bool, said: Said, alone: bool, config: Config | None = None) -> Built:
    """The target built like this, and read.

    alone:  whether it can be built in no way that was tried before
    config: the sizes; None: the simplest, or others where the constructor refuses them
    """
    config = config or simplest(value, arguments)
    positions, named = arguments.of(config)
    try:
        module = made(value, *positions, **named)
    except Exception as refusal:  # these sizes, perhaps
        config = in_multiples(value, arguments, config, refusal)
        positions, named = arguments.of(config)
        module = made(value, *positions, **named)
    module = module.double().eval() if isinstance(module, nn.Module) else module
    seen = of_any_number(module, Sizes(config.input_size, config.hidden_size), said, cell_first)
    if arguments.halves and seen.directions != 2 and not (alone and arguments.head is not None):
        raise Unreadable("a size of two directions together, but one direction")
    for value in (*positions, *named.values()):
        if isinstance(value, Asked):
            draws(module, config, seen)  # which asks for what is asked for in training alone
            arguments = value.as_written(arguments)
    return seen, arguments, module, config
