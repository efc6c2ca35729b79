"""Whether a module is called as torch's layers are, so that nothing has to stand between."""

from collections.abc import Mapping
from typing import Any

from rnncheck.reading.calls.call_arguments import parameters
from rnncheck.reading.calls.experiment import Sizes
from rnncheck.reading.signature import Signature, forward_of, hx_argument

UNUSUAL = (
    "ids", "last", "listed", "longest_first", "merged", "turned", "features_last", "rows", "reset", "reverse", "beside",
    "input_name", "kept", "images", "nodes",
)  # fmt: skip
"""Words of a call that torch's layers know nothing of."""


def _is_reached(module: Any, name: str) -> bool:
    """Whether a state given as torch's layers take it ends in the argument of this name."""
    forward = forward_of(module)
    argument = hx_argument(forward)
    return argument.given == "yes" and name == (argument.keyword or Signature.of(forward).positional[2])


def returns_no_more(result: Any) -> bool:
    """Return whether a result is output and state alone, as torch's layers return them: behind an adapter the rest is left out."""
    return isinstance(result, tuple) and len(result) == 2 and (not isinstance(result[1], tuple | list) or len(result[1]) == 2)


def is_plain(how: Mapping[str, Any], module: Any, sizes: Sizes) -> bool:
    """Return whether this is how torch's layers are called."""
    states, pair = sizes.layers * sizes.directions, how["order"] is not None
    axes = [(states, "batch", -1), *([("batch", -1)] if states == 1 else [])]
    second = next(iter(parameters(module, how)), None)
    as_given = (
        second is not None and how["given"] == [(second.name, ["tuple", 0, 1] if pair else 0)] and _is_reached(module, second.name)
    )
    as_returned = how["output"] == [0] and how["states"] == ([[1, 0], [1, 1]] if pair else [[1]])
    in_order = how["order"] in (None, list(range(2 * states))) and all(tensor in axes for tensor in how["tensors"])
    by_lengths = not how["lengths"] or (not how["lengths"][2] and how["lengths"][1] == "tensor")
    unusual = any(how.get(word) for word in UNUSUAL)
    otherwise = (
        how.get("input", "sequence") != "sequence" or unusual or how["features"] is not None or how.get("feature_axes", 1) != 1
    )
    return as_given and as_returned and in_order and by_lengths and not otherwise
