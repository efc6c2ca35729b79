"""What a mutant is, and the list of them that the files of this package add to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from tests.mutants.clean.base import GRU, LSTM, RNN
from tests.mutants.clean.by_hand import HandGRU, HandLSTM

LIKE = {HandGRU: nn.GRU, HandLSTM: nn.LSTM, RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM, nn.GRU: nn.GRU}


@dataclass(frozen=True)
class Mutant:
    """A bug, planted.

    bug:           its id in bugs.txt, or ``own-...``
    target:        the class, or the function for kinds "clip" and "step"
    kind:          a layer like torch.nn's, a cell like torch.nn's, a function like clip_grad_norm_, a training step,
                   a model that replaces a reference,
                   or a layer like torch.nn's that takes padded input and its lengths as a third argument
    like:          what it claims to be, e.g. torch.nn.LSTM
    clean:         the same without the bug
    property_hint: globs over the catalog's ids, the properties that are expected to kill it
    needs:         what a case must have for the bug to show
    without:       features (rnncheck.core.features.FEATURES) that the clean one does not offer either
    """

    bug: str
    target: Any
    kind: Literal["layer", "clip", "step", "pair", "cell", "lengths"]
    like: Any
    clean: Any
    property_hint: tuple[str, ...]
    needs: str
    without: tuple[str, ...] = ()


MUTANTS: dict[str, Mutant] = {}
EXTRA: dict[str, Mutant] = {}
"""Bugs that no case of the default profile shows: they need a claim, fresh memory, a compiler, or sizes beyond it."""


def plant(bug: str, kills: str, needs: str, claims: str = "") -> Callable[[Any], Any]:
    """Declare the decorated class as a layer with this bug.

    kills:  globs over the catalog's ids, with blanks between
    needs:  what a case must have for the bug to show
    claims: features that it claims although its clean twin does not
    """

    def declare(target: Any) -> Any:
        clean = next(base for base in target.__mro__ if base in LIKE)
        absent = ("script", "second", "jvp", "vmap") if clean in (HandGRU, HandLSTM) else ("script",)
        without = tuple(feature for feature in absent if feature not in claims.split())
        add(Mutant(bug, target, "layer", LIKE[clean], clean, tuple(kills.split()), needs, without))
        return target

    return declare


def extra(bug: str, kills: str, needs: str, without: str = "script") -> Callable[[Any], Any]:
    """Declare the decorated class as a layer with this bug, which no case of the default profile shows.

    without: features that its clean twin does not offer, with blanks between
    """

    def declare(target: Any) -> Any:
        clean = next(base for base in target.__mro__ if base in LIKE)
        EXTRA[bug] = Mutant(bug, target, "layer", LIKE[clean], clean, tuple(kills.split()), needs, tuple(without.split()))
        return target

    return declare


def add(mutant: Mutant) -> None:
    """Put it on the list; an id is used once."""
    if mutant.bug in MUTANTS:
        raise ValueError(f"{mutant.bug} is planted twice")
    MUTANTS[mutant.bug] = mutant
