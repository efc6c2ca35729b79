"""In which form a layer takes the lengths of its sequences: as numbers or as a mask, and whether a mask marks steps or padding."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import AdaptedWithLengths
from rnncheck.reading.calls.experiment import Sizes, Start, example, quiet, rows_tried, steps_tried
from rnncheck.reading.calls.order_of_lengths import lengths_tried
from rnncheck.reading.calls.results import leaves

AXES = ("", " (steps, 1)", " (1, steps)")
"""A mask may have one more axis, behind its steps or in front of them."""


def other_forms(name: str, form: str) -> tuple[str, ...]:
    """Return what else may be given where name and type speak of one form; that it marks padding, a name alone can say."""
    if "mask" in form:
        kinds = ("mask", "float mask", *(["padding mask"] if "pad" in name.lower() else []))
        return tuple(one for axes in AXES for kind in kinds if (one := kind + axes) != form)
    return tuple(one for one in ("tensor", "list") if one != form)


def form_of_lengths(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> tuple[str, str, bool] | None:
    """Return the lengths of a reading in the form under which a padded sequence gives what it gives alone.

    Where none is such a form, the first that is taken is returned; None where none is taken.
    """
    name, form, needed = how["lengths"]
    x = example(sizes.input, 8)
    taken: list[str] = []
    for one in (form, *other_forms(name, form)):
        called = AdaptedWithLengths(module, sizes.hidden, **{**how, "lengths": (name, one, needed)})
        called.how["others"] = dict(zip(start.names, start.values, strict=True))
        try:
            together = _output(called, x, torch.tensor(lengths_tried()))
            taken.append(one)
            if all(_is_same(together[:n], _output(called, _only(x, row, n), None), row) for row, n in enumerate(lengths_tried())):
                return name, one, needed
        except Exception:  # it takes no such form
            continue
    return (name, taken[0], needed) if taken else None


def lengths_change_nothing(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> bool:
    """Return whether shorter lengths, in the form that is read, change no result."""
    called = AdaptedWithLengths(copy.deepcopy(module), sizes.hidden, **{**how, "given": []})
    called.how["others"] = dict(zip(start.names, start.values, strict=True))
    whole, padded = (found for _, found in _results(called, sizes))
    return 0 < len(whole) == len(padded) and all(map(torch.equal, whole, padded))


def lengths_come_back(module: Any, how: Mapping[str, Any], sizes: Sizes, hx: Any) -> bool:
    """Return whether lengths come back as they are, and change no other result, from this state: the layer passes them on."""
    passed, others = list[bool](), list[list[Tensor]]()
    for lengths, found in _results(AdaptedWithLengths(copy.deepcopy(module), sizes.hidden, **how), sizes, hx):
        others.append([one for one in found if one.shape != lengths.shape or not torch.equal(one.to(lengths), lengths)])
        passed.append(len(found) > len(others[-1]) > 0)
    return all(passed) and len(others[0]) == len(others[1]) and all(map(torch.equal, *others))


def _results(called: AdaptedWithLengths, sizes: Sizes, hx: Any = None) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Yield lengths, whole and then shorter ones, each with what comes back for them."""
    x = example(sizes.input, 8)
    x = x.transpose(0, 1) if called.how["batch_first"] else x
    for lengths in (torch.full((rows_tried(),), steps_tried()), torch.tensor(lengths_tried())):
        with quiet():
            called.begin(x)
            yield lengths, [tensor for _, tensor in leaves(called.result(x, hx, lengths))]


def _output(called: AdaptedWithLengths, x: Tensor, lengths: Tensor | None) -> Tensor:
    """The output (time, batch, features)."""
    first = called.how["batch_first"]
    with quiet():
        output, _ = called(x.transpose(0, 1) if first else x, None, lengths)
    return output.transpose(0, 1) if first else output


def _only(x: Tensor, row: int, length: int) -> Tensor:
    """This row as every row of a batch without padding: a state that must be given has as many."""
    return x[:length, row : row + 1].expand(length, rows_tried(), -1)


def _is_same(together: Tensor, alone: Tensor, row: int) -> bool:
    return together[:, row].shape == alone[:, row].shape and torch.allclose(together[:, row], alone[:, row], atol=1e-9)
