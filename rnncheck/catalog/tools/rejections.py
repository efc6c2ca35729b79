"""What the properties of rejection are made of: calls that must be refused, in words, without harm."""

import re
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck.core.config import Config
from rnncheck.core.kinds import PROJECTION
from rnncheck.core.observation import Observation, equal, every, fact, identical
from rnncheck.core.plain_text import plain, type_name
from rnncheck.core.subject import Layer, Malformed
from rnncheck.running.trial import Trial

WRONG_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "input_size": (-1,), "hidden_size": (0, -1, 2.5), "num_layers": (0, -1), "dropout": (1.5, -0.1), "proj_size": (-1,),
}  # fmt: skip
FEATURE_OF = {"num_layers": "layers", "dropout": "dropout", "proj_size": "proj"}
"""What no constructor can take; for proj_size hidden_size as well."""
Name = tuple[str | int | tuple[int, ...], ...]
"""Ways to name one thing: words, numbers, shapes; any of them will do."""


def refusal(call: Callable[[], object]) -> str | None:
    """The exception that the call raises, as ``type: message``; None where it goes through."""
    try:
        call()
    except Malformed:
        return None
    except Exception as error:
        return f"{type_name(error)}: {plain(error)}"
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
    sides = ("now", "from a new layer")
    runs = every(t.identical(t.run_on(layer), t.run_on(fresh), "good input after the refusals: ", sides) for t in good)
    return same & equal("requires_grad after the refusals", *flags) & runs


def others(size: int) -> list[int]:
    """Positive sizes that are not this one: a little more, twice as much, what would broadcast, a little less.

    More comes first: what takes too much unchecked may drop it, what takes too little may read past the end.
    """
    return [other for other in dict.fromkeys((size + 1, 2 * size, 1, size - 1)) if other > 0 and other != size]


def of_other_width(trial: Trial) -> Iterator[Observation]:
    """Attempts with an input that has too many or too few features."""
    for size in others(trial.config.input_size):
        x = trial.like(trial.x.new_empty(trial.time, trial.batch, size), "wrong input")
        given = trial.lay_out(x, trial.state)
        yield refused(trial, f"an input with {size} features", *given, (trial.config.input_size,), (size,))


def resized(trial: Trial, axis: int) -> Iterator[Observation]:
    """Attempts with one state too large or too small along an axis of (layers * directions, batch, features)."""
    state = trial.given_state
    for k, (name, part) in enumerate(zip(("h_0", "c_0"), state, strict=False)):
        for size in others(part.shape[axis]):
            wrong = trial.like(part.new_empty(*part.shape[:axis], size, *part.shape[axis + 1 :]), "wrong state")
            given = trial.lay_out(trial.x, (*state[:k], wrong, *state[k + 1 :]))
            yield refused(trial, f"{name} of shape {tuple(wrong.shape)}", *given, (part.shape[axis],), (size,))


def reshaped(trial: Trial) -> Iterator[Observation]:
    """Attempts with one state that has an axis too many or too few, and every element that it should have."""
    x, hx = trial.lay_out(trial.x, trial.given_state)
    for k, (name, part) in enumerate(zip(("h_0", "c_0"), hx or (), strict=False)):
        for wrong in (part.flatten(0, 1), part.unsqueeze(-1), part.unsqueeze(0), part[None, :, None]):
            given = (*(hx or ())[:k], wrong, *(hx or ())[k + 1 :])
            names = [(t.dim(), tuple(t.shape)) for t in (part, wrong)]
            yield refused(trial, f"{name} of shape {tuple(wrong.shape)}", x, given, *names)


def with_values(layer: Layer) -> Callable[[Any, Any], object]:
    """The layer's call, raising if the result is on meta."""

    def call(input: Any, hx: Any) -> object:
        output, state = layer(input, hx)
        if any(isinstance(part, Tensor) and part.is_meta for part in (output, *state)):
            raise RuntimeError("no values, the result is on meta")
        return output

    return call


def unchecked(config: Config, **arguments: Any) -> Config:
    """A Config with values that Config itself refuses: what a caller may pass to a layer's constructor all the same."""
    wrong = copy(config)
    for name, value in arguments.items():
        object.__setattr__(wrong, name, value)
    return wrong


def wrong_arguments(trial: Trial) -> list[tuple[str, Any]]:
    """(name, value) of arguments that no layer can have, as far as the subject has them; none for an instance."""
    offers = trial.subject.offers
    wrong = {name: values for name, values in WRONG_ARGUMENTS.items() if offers(FEATURE_OF.get(name, "float32"))}
    too_wide = [("proj_size", trial.config.hidden_size)] if trial.config.kind.has(PROJECTION) and "proj_size" in wrong else []
    pairs = [(name, value) for name, values in wrong.items() for value in values] + too_wide
    return pairs if trial.subject.fixed is None else []
