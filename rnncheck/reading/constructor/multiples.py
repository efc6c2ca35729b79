"""Sizes that a constructor, or a call, takes where it does not take all: such as those that a number of heads divides."""

from collections.abc import Callable, Iterator
from typing import Any

from rnncheck.core.config import Config
from rnncheck.reading.calls.experiment import made
from rnncheck.reading.constructor.arguments import Arguments

SIZES = ((6, 8), (12, 8), (6, 16), (6, 32), (6, 64), (6, 128))
"""Input and hidden sizes that are tried where the usual ones are refused: multiples of 2, 4, 8, …, the smallest first."""

Call = Callable[[Any, Config], object]
"""Call a module of this configuration."""


def nothing(module: Any, config: Config) -> None:
    """Call it in no way."""


def in_multiples(value: Any, arguments: Arguments, config: Config, refusal: Exception) -> Config:
    """Return the configuration with the first of SIZES that the constructor takes; raises the refusal where it takes none."""
    for other in larger(arguments, config) if not issubclass(type(refusal), TypeError) else ():
        if takes(value, arguments, other):
            return other
    raise refusal


def larger(arguments: Arguments, config: Config) -> Iterator[Config]:
    """Return the configuration with each of SIZES."""
    for input_size, hidden_size in SIZES:
        yield config.but(input_size=hidden_size if arguments.square else input_size, hidden_size=hidden_size)


def multiples(value: Any, arguments: Arguments, config: Config, call: Call = nothing) -> tuple[int, int]:
    """Return of which numbers the two sizes must be multiples, as far as a few sizes tell.

    call: what must not raise an error with what is built, where the constructor takes all sizes and a call does not
    """
    hidden = _step(value, arguments, config, "hidden_size", call)
    return hidden if arguments.square else _step(value, arguments, config, "input_size", call), hidden


def least(value: Any, arguments: Arguments, config: Config) -> tuple[int, int]:
    """Return the smallest input size and hidden size that are taken: a constructor that divides a size by 4 takes none below."""
    hidden = _smallest(value, arguments, config, "hidden_size")
    return hidden if arguments.square else _smallest(value, arguments, config, "input_size"), hidden


def _smallest(value: Any, arguments: Arguments, config: Config, name: str) -> int:
    sizes = range(1, getattr(config, name))
    return next((n for n in sizes if takes(value, arguments, _of_size(arguments, config, name, n))), sizes.stop)


def _of_size(arguments: Arguments, config: Config, name: str, size: int) -> Config:
    return config.but(**dict.fromkeys(("input_size", "hidden_size") if arguments.square else (name,), size))


def _step(value: Any, arguments: Arguments, config: Config, name: str, call: Call) -> int:
    """The smallest divisor of this size that is taken for it, and three times it."""
    size = getattr(config, name)
    for step in (divisor for divisor in range(1, size) if size % divisor == 0):
        if all(takes(value, arguments, _of_size(arguments, config, name, n), call) for n in (step, 3 * step)):
            return step
    return size


def takes(value: Any, arguments: Arguments, config: Config, call: Call = nothing) -> bool:
    """Whether it is built, and called, in this configuration."""
    positions, named = arguments.of(config)
    try:
        call(made(value, *positions, **named), config)
    except Exception:  # it refuses these sizes
        return False
    return True
