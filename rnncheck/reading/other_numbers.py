"""Other numbers for what must be given beside an input, where neutral ones (a mask of ones, say) hide a part of the layer."""

from collections.abc import Iterator
from typing import Any

import torch

from rnncheck.core.config import Config
from rnncheck.reading.calls.beside import MARKS_PADDING, MASKS, MEMORY, SHAPES
from rnncheck.reading.calls.call_arguments import is_mask_word
from rnncheck.reading.calls.experiment import Sizes, Unreadable, rows_tried
from rnncheck.reading.gradients import not_looked_at
from rnncheck.reading.read import read_module
from rnncheck.reading.said import Said
from rnncheck.reading.seen import Seen

BETWEEN = 0.5
"""A number that is not neutral: neither 0 nor 1."""


GROW = (("steps", "float"), ("steps 1", "float"))
"""What may be times of the steps, of which a layer takes the difference."""


def with_other_numbers(module: Any, seen: Seen, config: Config, cell_first: bool, said: Said) -> Seen:
    """Return the same with other numbers in what must be given, or two steps of them, where the first leave a part idle."""
    if "beside" in said:
        return seen
    sizes = Sizes(config.input_size, config.hidden_size, config.num_layers, seen.directions)
    lengths = seen.how["lengths"]
    mask = lengths[0] if lengths and "mask" in lengths[1] and lengths[2] else None
    grows = not seen.how["given"] and seen.how.get("input", "sequence") == "sequence"  # in pieces it would grow anew
    for beside in _others(list(seen.how.get("beside", ())), mask, grows):
        idle = not_looked_at(module, seen, config, zeros(seen, config, 0.3))
        if not idle and not seen.idle:
            break
        try:
            no_mask: Said = {"lengths": []} if mask in [name for name, *_ in beside] else {}
            other = read_module(module, sizes, cell_first, {**said, "beside": beside, **no_mask})
        except Unreadable:
            continue
        left = not_looked_at(module, other, config, zeros(other, config, 0.3))
        less = (not other.recurs, other.idle, len(left)) < (not seen.recurs, seen.idle, len(idle))
        seen = other if less and other.score >= seen.score else seen
    return seen


def _others(given: list[Any], mask: str | None, grows: bool) -> Iterator[list[Any]]:
    """What else may be given: numbers that are not neutral; and what an encoder returned, in place of numbers for this step.

    mask: the argument that is taken for a mask of the input's steps, and must be given; grows: whether numbers may grow with time
    """
    between = [[name, shape, kind, BETWEEN if kind == "float" and _may_differ(name, shape) else value]
               for name, shape, kind, value in given]  # fmt: skip
    if between != given:
        yield between
    growing = [[name, shape, "growing", BETWEEN] if (shape, kind) in GROW else [name, shape, kind, value]
               for name, shape, kind, value in given]  # fmt: skip
    if grows and growing != given:
        yield growing
    for memory, masks in zip(MEMORY, MASKS, strict=True):
        looked_up = [[name, memory, "float", 1.0] if shape in ("features", "hidden") else [name, shape, kind, value]
                     for name, shape, kind, value in given]  # fmt: skip
        if looked_up == given:
            continue
        yield looked_up
        masked = [[name, masks, *rest] if is_mask_word(name) else [name, shape, *rest] for name, shape, *rest in looked_up]
        if masked != looked_up:  # a mask of what is looked up, and not of the input's steps
            yield masked
        elif mask is not None:
            neutral = float(not MARKS_PADDING & {*mask.lower().split("_")})
            yield from ([*looked_up, [mask, masks, kind, neutral]] for kind in ("bool", "float"))


def _may_differ(name: str, shape: str) -> bool:
    """Whether a number between 0 and 1 may be meant: no mask of steps or rows, but one of the numbers of the input."""
    return shape in SHAPES and (shape == "features" or not is_mask_word(name))


def zeros(seen: Seen, config: Config, value: float = 0.0) -> Any:
    """A state of zeros, or of another number, where one can be given; None where none can."""
    if not seen.how["given"]:
        return None
    part = torch.full((seen.parts // (2 if seen.pair else 1), rows_tried(), config.hidden_size), value, dtype=torch.float64)
    return (part, part.clone()) if seen.pair else part
