"""Whether a state goes in again, and what it does: experiments with a sequence in two pieces."""

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.calls.experiment import CUT, Sizes, Start, call, rows_tried, steps_tried
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.calls.states import is_state, tensors_of
from rnncheck.reading.calls.unread import others

HUGE = 1e6
"""A part of the state with such numbers stays large where it is kept, as c is; behind a gate, as h is, it does not."""


def parts_in(axes: tuple[Any, ...]) -> int:
    """Return how many parts of hidden_size features a tensor with these axes has."""
    return round(math.prod({"batch": 1, "complex": 2}.get(a) or abs(a) for a in axes))


def carries_on(run: Callable[..., tuple[Tensor, Any]], x: Tensor, output: Tensor) -> float:
    """Return whether the state that comes back goes in again: 1 where two pieces are the whole, less where it is only taken."""
    try:
        _, middle = run(x[:CUT])
        rest, _ = run(x[CUT:], middle)
    except Exception:  # it is not taken like this
        return -1.0
    return 1.0 if rest.shape == output[CUT:].shape and torch.allclose(rest, output[CUT:], atol=1e-9) else 0.3


def takes_one_more_row(run: Callable[..., tuple[Tensor, Any]], x: Tensor) -> bool:
    """Return whether a state is taken of one more row, too: one of three rows may be unpacked into three parts of another kind."""
    _, middle = run(x[:CUT])
    wider = tuple(torch.cat([part, part[:, :1]], 1) for part in tensors_of(middle))
    try:
        run(torch.cat([x, x[:, :1]], 1)[CUT:], wider if isinstance(middle, tuple) else wider[0])
    except Exception:  # it is not taken like this
        return False
    return True


def changes_nothing(run: Callable[..., tuple[Tensor, Any]], x: Tensor, output: Tensor) -> bool:
    """Return whether the output is the same with numbers for a state as without it."""
    _, final = run(x)
    given = tuple(torch.full_like(part, 0.5) for part in tensors_of(final))
    return torch.equal(run(x, given if isinstance(final, tuple) else given[0])[0], output)


def changes_no_later_call(module: Any, how: Mapping[str, Any], start: Start, given: Tensor, sizes: Sizes) -> bool:
    """Whether a call after another one returns the same as without it, so that what the object keeps is no state."""
    alone = call(copy.deepcopy(module), how, start, given.clone(), sizes)
    _, later = (call(module, how, start, given.clone(), sizes) for _ in range(2))
    return all(torch.equal(one, other) for (_, one), (_, other) in zip(leaves(alone), leaves(later), strict=True))


def takes_as_h_and_c(run: Callable[..., tuple[Tensor, Any]], x: Tensor, final: tuple[Tensor, Tensor]) -> bool:
    """Return whether, of a state (h, c) that is given, the second part is kept as c is, and the first acts through gates alone."""
    large = []
    for factors in ((HUGE, 1.0), (1.0, HUGE)):
        try:
            _, after = run(x[:1], tuple(part * factor for part, factor in zip(final, factors, strict=True)))
        except Exception:  # it takes no such numbers
            return False
        large.append(max(float(part.abs().max()) for part in after) > HUGE**0.5)
    return large == [False, True]


def is_idle(run: Callable[..., tuple[Tensor, Any]], x: Tensor, how: Mapping[str, Any]) -> bool:
    """Return whether a part of the state comes back as it went in, whatever the input is."""
    if not how["given"] or how["states"] is None:
        return False
    _, final = run(x)
    generator = torch.Generator().manual_seed(4)
    given = tuple(torch.randn(t.shape, dtype=t.dtype, generator=generator) for t in tensors_of(final))
    try:
        _, after = run(x, given if isinstance(final, tuple) else given[0])
    except Exception:  # it takes no such numbers, as the states of its own
        return False
    pairs = zip(given, tensors_of(after), strict=True)
    return any(torch.equal(before, now) for one, other in pairs for before, now in zip(one, other, strict=True))


def ignores_a_part(run: Callable[..., tuple[Tensor, Any]], x: Tensor, how: Mapping[str, Any]) -> bool:
    """Return whether one of h and c changes nothing where the output is taken for a part of the state: it may be none."""
    if not how["given"] or how["output"] not in (how["states"] or ()):
        return False
    _, final = run(x)
    if not isinstance(final, tuple):
        return False
    generator = torch.Generator().manual_seed(4)
    given = [torch.rand(part.shape, dtype=part.dtype, generator=generator) for part in final]

    def after(moved: int) -> list[Tensor]:
        output, state = run(x[:1], tuple(part + (place == moved) for place, part in enumerate(given)))
        return [output, *state]

    try:
        alone = after(-1)
        return any(all(map(torch.equal, after(place), alone)) for place in range(len(given)))
    except Exception:  # it takes no such numbers
        return False


def taken(run: Callable[..., tuple[Tensor, Any]], x: Tensor, output: Tensor, sizes: Sizes) -> float:
    """Return how well a state goes in that does not come back: 0.3 where each row of it moves its own row of the output alone."""
    shape = (sizes.layers * sizes.directions, rows_tried(), sizes.hidden)
    first = torch.randn(shape, dtype=x.dtype, generator=torch.Generator().manual_seed(4))
    other = first.clone()
    other[:, 0] += 1
    (begun, _), (moved, _) = run(x, first), run(x, other)
    if begun.shape != output.shape or not torch.equal(begun[:, 1:], moved[:, 1:]):
        return -1.0
    return 0.1 if torch.equal(begun, moved) else 0.3


def is_broadcast(module: Any, how: Mapping[str, Any], result: Any, given: Tensor, sizes: Sizes) -> bool:
    """Return whether the argument of a state takes a larger one that comes back: one of hidden_size features is only broadcast."""
    for _, tensor in others(result, how):
        if rows_tried() in tensor.shape and steps_tried() not in tensor.shape and not is_state(tensor, sizes):
            with suppress(Exception):  # it does not take it
                call(module, how, Start((tensor,), (how["given"][0][0],)), given.clone(), sizes)
                return True
    return False
