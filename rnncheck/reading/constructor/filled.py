"""What a constructor is given beside the sizes: values that must be given, by their names, and others to try."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.guessed_values import value_for
from rnncheck.reading.constructor.size_words import KIND_VALUES, UNSAID, counts_heads, says_kind, size_of


def filled(required: list[Any], input: tuple[str, ...], hidden: tuple[str, ...],
           options: Mapping[str, str]) -> Iterator[Arguments]:  # fmt: skip
    """Return the arguments with a value for everything else that must be given, and with others where that is not taken."""
    missing = [p for p in required if p.name not in (*input, *hidden)]
    also = tuple(p.name for p in missing if p.annotation in UNSAID and size_of(p.name) == "result")
    others = {p.name: value_for(p) for p in missing if p.name not in also}
    yield Arguments(input, (*hidden, *also), options, others)
    kinds = [name for name in others if says_kind(name)]
    for value in KIND_VALUES[1:] if kinds else ():
        yield Arguments(input, (*hidden, *also), options, {**others, **dict.fromkeys(kinds, value)})
    functions = {name: "tanh" for name, value in others.items() if value is torch.tanh}
    if functions:
        yield Arguments(input, (*hidden, *also), options, {**others, **functions})
    kernels = {name: (3, 3) for name in others if "kernel" in name.lower()}
    if kernels:
        yield Arguments(input, (*hidden, *also), options, {**others, **kernels})
    unknown = tuple(name for name, value in others.items() if value == 1 and type(value) is int and not counts_heads(name))
    many = {name: [1] for name in unknown if name.endswith("s")}
    for values in (many, {name: False for name in unknown if size_of(name) is None}):
        if values:
            yield Arguments(input, (*hidden, *also), options, {**others, **values})
    if unknown:
        yield Arguments(input, (*hidden, *also, *unknown), options, {n: v for n, v in others.items() if n not in unknown})
