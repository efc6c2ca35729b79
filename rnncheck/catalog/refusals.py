"""What the properties of rejection are made of: a call that must be refused, in words, without harm."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.observation import Observation, both, equal, every, fact, identical
from rnncheck.subject import Malformed
from rnncheck.trial import Trial

Name = tuple[str | int | tuple[int, ...], ...]
"""Ways to name one thing: words, numbers, shapes; any of them will do."""


def refusal(call: Callable[[], object]) -> str | None:
    """The exception that the call raises, as ``type: message``; None where it goes through."""
    try:
        call()
    except Malformed:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def mentions(message: str, name: Name) -> bool:
    """Whether the message has one of these words, numbers or shapes, as a whole.

    >>> mentions("Expected hidden size (2, 13, 4), got [2, 3, 4]", ((2, 3, 4),))
    True
    >>> mentions("Expected 13 features", (3,))
    False
    """
    return any(re.search(_pattern(way), message) for way in name)


def _pattern(way: str | int | tuple[int, ...]) -> str:
    if isinstance(way, str):
        return rf"(?<![A-Za-z]){re.escape(way)}(?![A-Za-z\d])"
    numbers = way if isinstance(way, tuple) else (way,)
    return r"(?<![\d.])" + r"\D{1,2}".join(re.escape(str(number)) for number in numbers) + r"(?!\d)"


def named(what: str, message: str | None, names: Iterable[Name]) -> Observation:
    """The call was refused, and the message names all of this."""
    wanted = list(names)
    good = message is not None and all(mentions(message, name) for name in wanted)
    words = "refused" + (", naming " + " and ".join(str(name[0]) for name in wanted) if wanted else "")
    return fact(what, good, "accepted" if message is None else f"refused with {message!r}", words)


def refused(
    trial: Trial, what: str, input: Any, hx: Any, *names: Name, call: Callable[[Any, Any], object] | None = None
) -> Observation:
    """The trial's layer (or another call) refuses this input and hx, naming all of this, and leaves both as they were."""
    parts = [input.data if isinstance(input, PackedSequence) else input, *(hx if isinstance(hx, tuple) else (hx,))]
    given = [part for part in parts if isinstance(part, Tensor)]
    before = [part.clone() for part in given]
    with torch.set_grad_enabled(trial.case.training):
        message = refusal(lambda: (call or trial.layer)(input, hx))
    return named(what, message, names) & every(_as_before(what, *pair) for pair in zip(given, before, strict=True))


def _as_before(what: str, part: Tensor, before: Tensor) -> Observation:
    """A tensor that was passed still has its shape and values; on the meta device there are no values."""
    if part.is_meta:
        part, before = torch.zeros(part.shape, device="cpu"), torch.zeros(before.shape, device="cpu")
    return identical(f"a tensor that was passed in {what}", part, before)


def in_turn(trial: Trial, attempts: Iterable[Observation]) -> Observation:
    """All attempts up to the first that does not hold; where all hold, the layer has to be unharmed, too."""
    seen = Observation()
    for attempt in attempts:
        seen &= attempt
        if not attempt.holds:
            return seen
    return seen & unharmed(trial) if seen.parts else seen


def unharmed(trial: Trial) -> Observation:
    """The layer has the parameters of a new one, and returns what a new one does for good input, packed or not."""
    layer, fresh = trial.layer, trial.build()
    live, as_built = layer.parameters(), fresh.parameters()
    same = every(identical(f"{name} after the refusals", live[name], value) for name, value in as_built.items())
    flags = [{name: p.requires_grad for name, p in parameters.items()} for parameters in (live, as_built)]
    good = [t for t in (trial, trial.but(lengths=None)) if trial.subject.refuses(t.case) is None]
    runs = every(both(t.run_on(layer), t.run_on(fresh), 0.0, "good input after the refusals: ") for t in good)
    return same & equal("requires_grad after the refusals", *flags) & runs


def others(size: int) -> list[int]:
    """Positive sizes that are not this one: what would broadcast, a little more or less, and twice as much."""
    return [other for other in dict.fromkeys((1, size + 1, size - 1, 2 * size)) if other > 0 and other != size]
