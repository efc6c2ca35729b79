"""What a constructor is given that names no type: a value for each argument by its name, and an object that has any attribute."""

import inspect
from typing import Any

import torch

from rnncheck.reading.signature import HIDDEN, INPUT
from rnncheck.reading.size_words import BOTH, KIND_VALUES, MORE_HIDDEN, MORE_INPUT, RESULT, TOKENS, VOCABULARY, says_kind, size_of


def value_for(parameter: Any) -> Any:
    """A value for an argument that must be given, by its annotation or its name."""
    name, annotation = parameter.name.lower(), parameter.annotation
    if parameter.name in VOCABULARY:
        return TOKENS
    if annotation is bool:
        return False
    if says_kind(parameter.name) and annotation in (parameter.empty, str, "str"):
        return KIND_VALUES[0]
    if annotation is float or any(word in name for word in ("drop", "rate", "prob", "zoneout", "noise", "alpha", "eps", "leak")):
        return 0.0
    if annotation is str or "nonlinearity" in name:
        return "tanh"
    if "activation" in name or name in ("act", "act_fn", "fn"):
        return torch.tanh
    if name in ("p",):
        return 0.0
    return 1


class Asked:
    """A configuration object of no known type: it answers each attribute by what its name asks for."""

    def __init__(self, input: int, hidden: int, kind: str) -> None:
        self._sizes, self._kind = (input, hidden), kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in (*INPUT, *MORE_INPUT):
            return self._sizes[0]
        if name in (*HIDDEN, *MORE_HIDDEN, *RESULT, *BOTH):
            return self._sizes[1]
        if says_kind(name):
            return self._kind
        if name in VOCABULARY or name.lower().endswith("layers"):
            return TOKENS if name in VOCABULARY else 1
        if size_of(name) is not None:
            return self._sizes[size_of(name) != "input"]
        options = {"bias": True, "bidirectional": False, "batch_first": False}
        return options[name] if name in options else value_for(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY))

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict has it."""
        return getattr(self, name)
