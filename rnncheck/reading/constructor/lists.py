"""Constructors that take the sizes of all layers in a list: of the input and each layer, or of the layers alone."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.filled import filled
from rnncheck.reading.constructor.size_words import LISTS, UNSAID, size_of


def listed(required: list[Any]) -> Iterator[Arguments]:
    """Return one argument that lists the input size and the hidden size of each layer."""
    for p in required:
        if p.name in LISTS and len(required) == 1:
            yield Arguments((), (), {"num_layers": p.name}, {}, None, p.name)


def of_lists(required: list[Any], options: Mapping[str, str]) -> Iterator[Arguments]:
    """Return the arguments with one layer in a list of hidden sizes, beside the input size."""
    inputs = [p.name for p in required if size_of(p.name) == "input" and p.annotation in UNSAID]
    lists = [p.name for p in required if size_of(p.name) == "hidden" and _holds_several(p)]
    if len(inputs) == len(lists) == 1:
        for one in filled(required, tuple(inputs), tuple(lists), options):
            yield dataclasses.replace(one, holds={lists[0]: "list"})


def _holds_several(parameter: Any) -> bool:
    """Whether an argument is a list, by its annotation, or else by an s at the end of its name."""
    said = parameter.annotation
    if said is parameter.empty:
        return bool(parameter.name.endswith("s"))
    return any(word in str(said).lower() for word in ("list", "sequence", "tuple"))
