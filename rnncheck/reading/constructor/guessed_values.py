"""What a constructor is given that names no type: a value for each argument by its name, and an object that has any attribute."""

from typing import Any

import torch

from rnncheck.reading.adapter.given_beside import NODES
from rnncheck.reading.constructor.size_words import (
    KIND_VALUES,
    TOKENS,
    counts_tokens,
    says_kind,
)

FLAGS = ("bias", "bidirectional", "batch_first", "bidir", "debug", "verbose", "cuda", "gpu")
"""Attributes that are true or false."""
SHARES, SHARES_ALONE = ("drop", "prob", "zoneout", "noise", "leak"), {"rate", "alpha", "eps"}
"""What a number between 0 and 1 has in its name, or as a whole part of it: ``steps`` holds ``eps``, and is none."""
PADDING = {"pad", "padding"}
"""Parts of the name of a padding token, or of an amount of padding: the first, or none."""

OF_NODES = {"nodes", "node", "vertices", "joints", "sensors", "stations"}
"""Parts of the name of a number of nodes of a graph."""


def value_for(parameter: Any) -> Any:
    """A value for an argument that must be given, by its annotation or its name."""
    name, annotation = parameter.name.lower(), parameter.annotation
    parts = set(name.split("_"))
    if counts_tokens(parameter.name):
        return TOKENS
    if parts & OF_NODES:
        return len(NODES)
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
