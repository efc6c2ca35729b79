"""Which part of a result is the output, and how steps, rows and features lie in it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rnncheck.reading.adapted import ORDERS
from rnncheck.reading.experiment import BATCH, TIME
from rnncheck.reading.results import Path, leaves, value_at
from rnncheck.reading.said import Said, agrees


def output_of(result: Any, given: Tensor, how: Mapping[str, Any], said: Said) -> tuple[Path, dict[str, Any]]:
    """Return the path to the output, and what is known of it: whether it is of the last step alone, a list, its features.

    given: the input, which may come back beside it
    """
    found = [(path, t) for path, t in leaves(result) if t is not given and agrees({"output": path}, said, ("output",))]
    if how.get("input") == "step":
        axis = how.get("step_axis")
        shapes = [(BATCH,), *([(1, BATCH), (BATCH, 1)][axis : axis + 1] if axis is not None else [])]
        path, tensor = next((path, t) for path, t in found if t.shape[:-1] in shapes)
        return path, {"last": False, "listed": False, "features": tensor.shape[-1]}
    channels, order = how.get("input") == "channels first", ORDERS.get(how.get("input", ""), (0, 1, 2))
    usual = (BATCH, None, TIME) if channels else (BATCH, TIME, None) if how["batch_first"] else (TIME, BATCH, None)
    axes = tuple(usual[place] for place in order)
    whole = [(path, t) for path, t in found if t.dim() == 3 and all(a in (None, s) for a, s in zip(axes, t.shape, strict=True))]
    if whole:
        path, t = _of_the_last_layer(result, whole)
        return path, {"last": False, "listed": False, "features": t.shape[axes.index(None)]}
    for path, t in found:
        if not channels and t.dim() == 2 and t.shape[0] == TIME * BATCH:
            return path, {"last": False, "listed": False, "merged": True, "features": t.shape[1]}
    for path, t in found:
        if how["batch_first"] and not channels and t.dim() == 3 and t.shape[:2] == (TIME, BATCH):
            return path, {"last": False, "listed": False, "turned": True, "features": t.shape[2]}
    for front in ((), *(path[:1] for path, _ in found if path)):
        listed = value_at(result, front)
        if isinstance(listed, tuple | list) and len(listed) == TIME and len({getattr(t, "shape", None) for t in listed}) == 1:
            return front, {"last": False, "listed": True, "features": listed[0].shape[-1]}
    path, tensor = next((path, t) for path, t in found if t.dim() == 2 and t.shape[0] == BATCH)
    return path, {"last": True, "listed": False, "features": tensor.shape[-1]}


def _of_the_last_layer(result: Any, whole: list[tuple[Path, Tensor]]) -> tuple[Path, Tensor]:
    """The first of the sequences that come back; the last one of its list, where there is one for each layer."""
    path, tensor = whole[0]
    if not path or type(value_at(result, path[:-1])) is not list:
        return path, tensor
    return [(other, t) for other, t in whole if other[:-1] == path[:-1]][-1]
