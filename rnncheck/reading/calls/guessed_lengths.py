"""Arguments that hold the lengths of sequences though they are called otherwise: steps behind a sequence's end move nothing."""

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import AdaptedWithLengths
from rnncheck.reading.calls.call_arguments import ROWS, form_by_type, is_lengths_word, is_mask_word, is_state_word, parameters
from rnncheck.reading.calls.experiment import Sizes, Start, example, quiet
from rnncheck.reading.calls.order_of_lengths import lengths_tried

NUMBERS = ("tensor", "list")
"""Forms of lengths that are no mask."""
NO_TENSOR = (bool, int, float, str, "bool", "int", "float", "str")


def guessed_lengths(module: Any, how: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Return, as lengths, the arguments that must be given and may be lengths though they are not called so."""
    yield from ((p.name, form_by_type(p), True) for p in _of_no_such_name(module, how) if p.default is p.empty)


def lengths_left_out(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> tuple[str, str, bool] | None:
    """Return the same of what may be left out, with the default None; None where no such argument ends the sequences."""
    given = {name for name, _ in how["given"]}
    for p in _of_no_such_name(module, how):
        with suppress(Exception):  # it takes no numbers
            found = p.name, form_by_type(p), False
            if p.default is None and p.name not in given and end_the_sequences(module, {**how, "lengths": found}, start, sizes):
                return found
    return None


def _of_no_such_name(module: Any, how: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    """The arguments that may take a tensor, and that no name says to be lengths or states."""
    for p in parameters(module, how):
        said = is_lengths_word(p.name) or is_state_word(p.name) or p.name.lower() in ROWS
        if not said and p.annotation not in NO_TENSOR:
            yield p


def is_guessed(how: Mapping[str, Any]) -> bool:
    """Return whether what is given as lengths is not called so: a mask is called one, but given as numbers."""
    name, form, _ = how["lengths"] or ("lengths", "", False)
    return not (is_lengths_word(name) or (is_mask_word(name) and form not in NUMBERS))


def end_the_sequences(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes) -> bool:
    """Return whether each sequence ends where these lengths say: no later step moves its final state, or its output.

    In a layer with a mistake it may end one step sooner or later, and either of the two, or one direction's, may not end at all.
    """
    x, lengths = example(sizes.input, 8), torch.tensor(lengths_tried())
    steps = torch.arange(len(x))
    usual, *changed = (
        _parts(module, how, start, sizes, torch.where((steps == step)[:, None, None], -x, x), lengths) for step in range(-1, len(x))
    )
    for part, *others in zip(usual, *changed, strict=True):
        moved = torch.stack([(one != part).any(1) for one in others])
        ends = (moved * (1 + steps)[:, None]).amax(0)
        if any(torch.equal(ends, (lengths + more).clamp(0, len(x))) for more in (0, 1, -1)):
            return True
    return False


def _parts(module: Any, how: Mapping[str, Any], start: Start, sizes: Sizes, x: Tensor, lengths: Tensor) -> list[Tensor]:
    """What comes back, each part as (rows, numbers): the final states of each layer and direction, and each direction's output."""
    called = AdaptedWithLengths(copy.deepcopy(module), sizes.hidden, **how)
    called.how["others"] = dict(zip(start.names, start.values, strict=True))
    first = how["batch_first"]
    with quiet():
        output, final = called(x.transpose(0, 1) if first else x, None, lengths)
    states = [one for part in (final if isinstance(final, tuple) else (final,)) if part is not None for one in part]
    outputs = (output if first else output.transpose(0, 1)).chunk(sizes.directions, -1)
    return [one.flatten(1) for one in (*states, *outputs)]
