"""What a constructor is given that names no type: a value for each argument by its name, and an object that has any attribute."""

import inspect
from types import SimpleNamespace
from typing import Any

import torch

from rnncheck.reading.constructor.arguments import Arguments
from rnncheck.reading.constructor.size_words import (
    BOTH,
    KIND_VALUES,
    MORE_HIDDEN,
    MORE_INPUT,
    OPTIONS,
    RESULT,
    TOKENS,
    VOCABULARY,
    says_kind,
    size_of,
)
from rnncheck.reading.signature import HIDDEN, INPUT

FLAGS = ("bias", "bidirectional", "batch_first", "bidir", "debug", "verbose", "cuda", "gpu")
"""Attributes that are true or false."""
SHARES, SHARES_ALONE = ("drop", "prob", "zoneout", "noise", "leak"), {"rate", "alpha", "eps"}
"""What a number between 0 and 1 has in its name, or as a whole part of it: ``steps`` holds ``eps``, and is none."""
PADDING = {"pad", "padding"}
"""Parts of the name of a padding token, or of an amount of padding: the first, or none."""


def value_for(parameter: Any) -> Any:
    """A value for an argument that must be given, by its annotation or its name."""
    name, annotation = parameter.name.lower(), parameter.annotation
    parts = set(name.split("_"))
    if parameter.name in VOCABULARY:
        return TOKENS
    if annotation is bool:
        return False
    if name == "device" or annotation is torch.device:
        return "cpu"
    if says_kind(parameter.name) and annotation in (parameter.empty, str, "str"):
        return KIND_VALUES[0]
    if annotation is float or any(word in name for word in SHARES) or parts & SHARES_ALONE:
        return 0.0
    if parts & PADDING:
        return 0
    if annotation is str or "nonlinearity" in name:
        return "tanh"
    if "activation" in name or name in ("act", "act_fn", "fn"):
        return torch.tanh
    if name in ("p",):
        return 0.0
    return 1


class Asked:
    """A configuration object of no known type: it answers each attribute by what its name asks for, and notes what it answered."""

    def __init__(self, input: int, hidden: int, kind: str) -> None:
        self._sizes, self._kind = (input, hidden), kind
        self._answers: dict[str, Any] = {}
        self._by_key: set[bool] = set()

    def __deepcopy__(self, memo: Any) -> "Asked":
        return self  # what a copy of the layer asks for is noted as well

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self._by_key.add(False)
        return self._answers.setdefault(name, self._answer(name))

    def __getitem__(self, name: str) -> Any:
        self._by_key.add(True)
        return self._answers.setdefault(name, self._answer(name))

    def __contains__(self, name: str) -> bool:
        """Whether it has this size; any other option is left out where it may be."""
        return size_of(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict has it."""
        return self[name]

    def _answer(self, name: str) -> Any:
        if name in (*INPUT, *MORE_INPUT):
            return self._sizes[0]
        if name in (*HIDDEN, *MORE_HIDDEN, *RESULT, *BOTH):
            return self._sizes[1]
        if says_kind(name):
            return self._kind
        if name in VOCABULARY or name.lower().endswith("layers"):
            return TOKENS if name in VOCABULARY else 1
        if name in FLAGS or name.lower().startswith(("use_", "is_", "with_", "has_")):
            return name in ("bias", "use_bias")
        if size_of(name) is not None:
            return self._sizes[size_of(name) != "input"]
        return value_for(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY))

    def as_written(self, asked: Arguments) -> Arguments:
        """Return the same as a namespace, or a dict, of what was asked for; as it is, where one object is asked in both ways."""
        options = {word: own for word, others in OPTIONS.items() for own in (word, *others) if own in self._answers}
        left = {name: value for name, value in self._answers.items() if name not in options.values()}
        sizes = [tuple(name for name, value in left.items() if type(value) is int and value == size) for size in self._sizes]
        others = {name: value for name, value in left.items() if name not in (*sizes[0], *sizes[1])}
        beside = [tuple(str(name) for name in places if asked.within is not None and name not in asked.inside)
                  for places in (asked.input, asked.hidden, asked.others)]  # fmt: skip
        inputs, states = (*beside[0], *sizes[0]), (*beside[1], *sizes[1])
        if len(self._by_key) != 1 or not inputs or not states or self._answers.keys() & {*beside[0], *beside[1], *beside[2]}:
            return asked
        kind = dict if True in self._by_key else SimpleNamespace
        others = {**others, **{name: asked.others[name] for name in beside[2]}}
        options = {**asked.options, **options}
        return Arguments(inputs, states, options, others, kind, within=asked.within, inside=frozenset(self._answers))
