"""What a reading leaves out: arguments of a call that are not looked at, and options that keep their defaults."""

import inspect
from types import SimpleNamespace
from typing import Any

from rnncheck.core.further import Further
from rnncheck.reading.calls.beside import COUNT, GRAPH, MEMORY, TIMES, VECTOR
from rnncheck.reading.calls.call_arguments import parameters
from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.asked import Asked
from rnncheck.reading.constructor.size_words import counts_layers
from rnncheck.reading.seen import Seen

NO_OPTIONS = ("bias", "nonlinearity", "device", "dtype")
"""Arguments that other parts read."""


def other_arguments(module: Any, seen: Seen, further: tuple[Further, ...]) -> tuple[str, ...]:
    """Arguments of a call that are left out, or change nothing."""
    lengths, looked_at = seen.how["lengths"], [*(one.name for one in further if one.looked_at), *seen.how.get("asks", ())]
    given = seen.how.get("beside", ())
    counts = [name for name, shape, *_ in given if shape == COUNT]
    taken = [*(keyword for keyword, _ in seen.how["given"]), *(lengths[:1] if lengths else ()), *looked_at, *counts]
    words = dict.fromkeys((TIMES, VECTOR, *MEMORY), "the same for each row") | {GRAPH: "given as one graph"}
    filled = {name: f"argument {name}, {words.get(shape, f'given as {value:g}')}" for name, shape, _, value in given}
    filled |= {one.name: f"argument {one.name}, which changes nothing" for one in further}
    unread = [filled.get(p.name, f"argument {p.name}") for p in parameters(module, seen.how) if p.name not in taken]
    return tuple(told for told in unread if told not in seen.unread)


def other_sizes(multiples: tuple[int, int], least: tuple[int, int]) -> tuple[str, ...]:
    """Return the sizes that the constructor refuses: no case has them."""
    names = ("input_size", "hidden_size")
    return (
        *(f"{name} that is no multiple of {step}" for name, step in zip(names, multiples, strict=True) if step > 1),
        *(f"{name} below {size}" for name, size in zip(names, least, strict=True) if size > 1),
    )


def defaults_of(value: Any, arguments: Arguments) -> dict[str, Any]:
    """Return the defaults of the arguments of the constructor, and of its configuration object; none where it tells none."""
    kinds = [value, *([arguments.bundle] if arguments.bundle not in (None, Asked, dict, SimpleNamespace) else [])]
    try:
        return {p.name: p.default for kind in kinds for p in inspect.signature(kind).parameters.values()}
    except (TypeError, ValueError):
        return {}


def other_options(value: Any, arguments: Arguments) -> tuple[str, ...]:
    """Return the options that keep their defaults, so that their other values are not checked."""
    defaults = defaults_of(value, arguments)
    known = (*arguments.options.values(), *arguments.input, *arguments.hidden, *NO_OPTIONS)
    left = {name: one for name, one in {**defaults, **arguments.others}.items() if name not in known}
    if arguments.listed is not None:
        return (f"hidden sizes that differ in {arguments.listed}",)
    as_large = [name for name in arguments.hidden[1:] if type(defaults.get(str(name))) is int]
    layers = [name for name in arguments.others if counts_layers(name)]  # no case has another number of them
    several = arguments.square and len(arguments.hidden) > 1  # a part of the state may be as wide as the input
    return (
        *(["input_size other than hidden_size"] if several else []),
        *(f"{name} other than hidden_size" for name in as_large),
        *(f"{name} other than {one!r}" for name, one in left.items() if isinstance(one, str | bool) or name in layers),
    )
