"""The arguments of a constructor for any configuration: where sizes and options go, and what else is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from rnncheck.core.config import Config
from rnncheck.reading.constructor.size_words import RESULT, TOKENS, size_of

FORMS: Mapping[str, Callable[[int], Any]] = {
    "range": range, "list": lambda size: [size],
    "table": lambda size: torch.zeros(TOKENS, size), "shape": lambda size: (1, 1, size),
    "graph": lambda size: sum(np.eye(size, k=k) for k in (-1, 0, 1)) if size < LARGEST else np.broadcast_to(1.0, (size, size)),
}  # fmt: skip
"""How an argument may hold a size: as a vocabulary, a list, a table of vectors, the shape of a batch of sequences, or a chain."""

LARGEST = 10**6
"""Larger sizes stand for themselves in the text of a script: nothing is built of them."""


@dataclass(frozen=True)
class Arguments:
    """Positional and keyword arguments of a constructor, for any configuration.

    input, hidden: where the two sizes go: keywords or positions (numbers); several, where one size is asked for twice
    options: torch's word -> the constructor's own; others: what else must be given
    bundle: the type of the one argument, a configuration object that has all of this as attributes
    within: the argument that takes it, beside others; inside: what it holds then, and the others stand beside it
    listed: the argument that lists the input size and the hidden size of each layer
    halves: whether the constructor is given the size of two directions together: always, or only where it builds both
    holds: how an argument holds its size, where it is no number (FORMS), or the class of which it is an object of both sizes
    own: input size and hidden size of a layer that takes neither
    """

    input: tuple[str | int, ...] = (0,)
    hidden: tuple[str | int, ...] = (1,)
    options: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    bundle: type | None = None
    listed: str | None = None
    within: str | None = None
    inside: frozenset[str] = frozenset()
    halves: Literal["always", "of both", ""] = ""
    holds: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[int, int] | None = None

    @property
    def head(self) -> str | None:
        """The argument for the output's size, where the state's is another one."""
        named = [place for place in self.hidden if isinstance(place, str)]
        found = [name for name in named if name in RESULT or size_of(name) == "result"]
        return found[0] if found and len(found) < len(self.hidden) else None

    @property
    def square(self) -> bool:
        """Whether one size is both."""
        return not self.input and self.listed is None and self.own is None

    def of(self, config: Config) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments for this configuration."""
        if self.listed is not None:
            return (), {self.listed: [config.input_size, *[config.hidden_size] * config.num_layers]}
        placed: dict[Any, Any] = dict(self.others)
        together = self.halves == "always" or (self.halves == "of both" and config.bidirectional)
        both = [place for place in self.hidden if together and size_of(str(place)) != "result"]
        placed |= dict.fromkeys(self.input, config.input_size) | dict.fromkeys(self.hidden, config.hidden_size)
        placed |= dict.fromkeys(both, 2 * config.hidden_size)
        placed |= {own: getattr(config, word) for word, own in self.options.items()}
        placed |= {name: self._held(name, placed[name], config) for name in self.holds}
        positions = sorted(place for place in placed if isinstance(place, int))
        named = {name: value for name, value in placed.items() if isinstance(name, str)}
        if self.bundle is None:
            return tuple(placed[place] for place in positions), named
        if self.within is None:
            return (self.bundle(**named),), {}
        whole = self.bundle(**{name: value for name, value in named.items() if name in self.inside})
        return (), {name: value for name, value in named.items() if name not in self.inside} | {self.within: whole}

    def _held(self, name: str, size: int, config: Config) -> Any:
        form = self.holds[name]
        if isinstance(form, str):
            return FORMS[form](size)
        return form if size > LARGEST else form(config.input_size, config.hidden_size)

    def words(self) -> str:
        """Which argument is which size."""
        name = {True: lambda place: place, False: lambda place: f"argument {place + 1}"}
        said = [f"{what} = {', '.join(name[isinstance(p, str)](p) for p in places)}"
                for what, places in (("input", self.input), ("hidden", self.hidden)) if places]  # fmt: skip
        return ", ".join(said)
