"""Constructors with an option for two directions or for rows first, whose layers work only with that option on."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnncheck.reading.constructor.arguments import Arguments


def always_on(found: Iterable[Arguments], parameters: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """Return the same arguments with such an option left on, where that is its default or it must be given."""
    for word in ("bidirectional", "batch_first"):
        for p in (p for p in parameters if p.name == options.get(word) and (p.default is True or p.default is p.empty)):
            left = {own_word: own for own_word, own in options.items() if own_word != word}
            on = {} if p.default is True else {p.name: True}
            for one in (one for one in found if one.options == options):
                yield dataclasses.replace(one, options=left, others={**one.others, **on})
