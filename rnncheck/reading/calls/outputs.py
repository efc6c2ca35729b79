"""Which part of a result is the output, and how steps, rows and features lie in it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import CHANNELS_FIRST, FLAT, ORDERS, PICTURE
from rnncheck.reading.adapter.given_beside import filled
from rnncheck.reading.calls.beside import MEMORY
from rnncheck.reading.calls.experiment import Sizes, Start, Unreadable, call, rows_tried, steps_tried, told
from rnncheck.reading.calls.results import Path, leaves, value_at
from rnncheck.reading.said import Said, agrees


def output_of(result: Any, given: Tensor, how: Mapping[str, Any], said: Said, longer: Any = None) -> tuple[Path, dict[str, Any]]:
    """Return the path to the output, and what is known of it: whether it is of the last step alone, a list, its features.

    given: the input, which may come back beside it; longer: the result of twice the steps, if it is known
    """
    steps, rows = steps_tried(), rows_tried()
    found = [(path, t) for path, t in leaves(result) if t is not given and agrees({"output": path}, said, ("output",))]
    if how.get("input") == "step":
        axis = how.get("step_axis")
        shapes = [(rows,), *([(1, rows), (rows, 1)][axis : axis + 1] if axis is not None else [])]
        first = [(path, t) for path, t in found if t.is_floating_point() and t.dim() and t.shape[0] == rows][:1]
        fitting = [*(one for one in first if one[1].dim() == 1), *(one for one in found if one[1].shape[:-1] in shapes)]
        fitting.sort(key=lambda one: len(one[0]))  # beside a state of several parts: ((h, c), y)
        if (how.get("images") or how.get("nodes")) and first:
            return first[0][0], _with_features(first[0][1], 1)
        if not fitting:
            raise Unreadable("it returns no row for each of the input's")
        path, tensor = fitting[0]
        return path, _with_features(tensor, tensor.dim() - 1 if tensor.shape[:-1] in shapes else 1)
    more = dict(leaves(longer))
    stepped = [(path, t) for path, t in found if (more[path].shape != t.shape if path in more else _may_have_steps(t))]
    channels, order = how.get("input") in CHANNELS_FIRST, ORDERS.get(how.get("input", ""), (0, 1, 2))
    usual = (rows, None, steps) if channels else (rows, steps, None) if how["batch_first"] else (steps, rows, None)
    axes = tuple(usual[place] for place in order)
    in_front = usual[:2] if order == (0, 1, 2) and not channels else None
    time = axes.index(steps)
    if how.get("input") == FLAT:
        for path, t in stepped:
            if t.shape[:1] == (steps * rows,):
                return path, _with_features(t, 1, merged=True)
        raise Unreadable("it returns no row for each of the input's")
    whole = [(path, t) for path, t in stepped if t.dim() == 3 and all(a in (None, s) for a, s in zip(axes, t.shape, strict=True))]
    whole = [(path, t) for path, t in whole if path not in more or more[path].shape[time] != t.shape[time]]
    if whole:
        path, t = _of_the_last_layer(result, whole)
        return path, {"last": False, "listed": False, "features": t.shape[axes.index(None)]}
    for path, t in stepped:
        if not channels and t.dim() == 2 and t.shape[0] == steps * rows:
            return path, _with_features(t, 1, merged=True)
    for path, t in stepped:
        if channels and t.dim() == 3 and t.shape[:2] in ((rows, steps), (steps, rows)):
            return path, _with_features(t, 2, features_last=True, turned=t.shape[0] == steps)
        if in_front is not None and t.shape[:2] == in_front[::-1]:
            return path, _with_features(t, 2, turned=True)
    for front in dict.fromkeys(path[:end] for path, _ in found for end in range(len(path))):
        listed = value_at(result, front)
        if isinstance(listed, tuple | list) and len(listed) == steps and len({getattr(t, "shape", None) for t in listed}) == 1:
            return front, {"last": False, "listed": True, "features": listed[0].shape[-1]}
    moved, layered = [path for path, _ in stepped], bool(how.get("rows"))
    return _of_other_axes([(path, t, path in moved) for path, t in found if t.is_floating_point() and t.dim()], in_front, layered)


def _of_other_axes(found: list[tuple[Path, Tensor, bool]], front: tuple[Any, ...] | None,
                   layered: bool) -> tuple[Path, dict[str, Any]]:  # fmt: skip
    """The output of the last step, or one with no axis of features or with several, or a state of layers.

    found: also whether it has an axis of steps; front: the axes of steps and rows, where they may come first
    layered: whether it is known to be a state of layers
    """
    rows = rows_tried()
    still = [(path, t) for path, t, steps in found if not steps]
    real = [(path, t) for path, t, steps in found if steps and front is not None]
    last = [(path, _with_features(t, 1, last=True)) for path, t in still if t.shape[0] == rows and not layered]
    flat = [one for one in last if one[1]["feature_axes"] == 1]
    whole = [(path, _with_features(t, 2)) for path, t in real if t.shape[:2] == front]
    merged = [(path, _with_features(t, 1, merged=True)) for path, t in real if t.shape[0] == steps_tried() * rows]
    layers = [(path, _with_features(t, 2, last=True) | {"rows": 1}) for path, t in still if t.dim() == 3 and t.shape[1] == rows]
    places = [path for path, _, _ in found]
    for one in (*sorted([*flat, *whole], key=lambda one: places.index(one[0])), *merged, *last, *layers):
        return one
    raise Unreadable("it returns no output for each step, and none for each row")


def of_twice_the_steps(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> Any:
    """Return what a call with twice the steps returns; None where a call is one step, or takes no other number of steps."""
    if how.get("input") == "step":
        return None
    time = int(how["batch_first"])
    try:
        return call(module, how, start, torch.cat([given, given], time), sizes)
    except Exception:  # it takes no other number of steps
        return None


def is_a_picture(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> bool:
    """Return whether an axis of height is meant before that of steps: with it one step is taken, and without it none is.

    A squeeze of that axis leaves several steps as they are where it is not given, and takes that of a single step away.
    """
    taken = []
    for form in (how["input"], PICTURE):
        try:
            call(module, {**how, "input": form}, start, given[:, :1].clone(), sizes)
        except Exception:  # it is not called like this
            taken.append(False)
        else:
            taken.append(True)
    return taken == [False, True]


def require_single_steps(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> None:
    """Raise Unreadable where steps and rows in one axis are not taken of a single step: what is beside them has another shape."""
    try:
        call(module, how, start, given.narrow(int(how["batch_first"]), 0, 1).clone(), sizes)
    except Exception as error:
        raise Unreadable(f"it takes no single step: {told(error)}") from None


def require_steps_of_the_input(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes, output: Tensor,
                               path: Path) -> None:  # fmt: skip
    """Raise Unreadable where an output grows with a sequence beside the input: its steps are those of that sequence.

    What seems to be a state may be such a sequence, too, of one step.
    """
    memories = [(name, int(shape == MEMORY[0]), filled(shape, kind, value, given, rows_tried(), sizes.hidden))
                for name, shape, kind, value in how.get("beside", ()) if shape in MEMORY]  # fmt: skip
    states = [(name, axis, value) for name, value in zip(start.names, start.values, strict=True) for axis in (0, 1)
              if isinstance(value, Tensor) and value.dim() == 3 and value.shape[axis] == 1]  # fmt: skip
    for name, axis, once in (*memories, *states):
        rest = {known: value for known, value in zip(start.names, start.values, strict=True) if known != name}
        longer = Start((*rest.values(), torch.cat([once, once], axis)), (*rest, name))
        others = [one for one in how.get("beside", ()) if one[0] != name]
        try:
            result = call(module, {**how, "beside": others}, longer, given, sizes)
        except Exception:  # it takes no state of this shape
            continue
        if value_at(result, path).shape != output.shape:
            raise Unreadable(f"its output has the steps of {name}, and not those of its input")


def _may_have_steps(t: Tensor) -> bool:
    return steps_tried() in t.shape or t.shape[:1] == (steps_tried() * rows_tried(),)


def _with_features(tensor: Tensor, front: int, **more: bool) -> dict[str, Any]:
    """What is known of an output whose axes behind the first ones are features."""
    features = tensor.shape[front:]
    return {"last": False, "listed": False, **more, "feature_axes": len(features), "features": math.prod(features)}


def _of_the_last_layer(result: Any, whole: list[tuple[Path, Tensor]]) -> tuple[Path, Tensor]:
    """The first of the sequences that come back; the last one of its list, where there is one for each layer."""
    path, tensor = whole[0]
    if not path or type(value_at(result, path[:-1])) is not list:
        return path, tensor
    return [(other, t) for other, t in whole if other[:-1] == path[:-1]][-1]
