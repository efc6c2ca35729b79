"""What may be given for the state in the first call, where one must be given."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import ORDERS, PIXELS
from rnncheck.reading.calls.call_arguments import is_state_word, state_parameters
from rnncheck.reading.calls.experiment import BATCH, TIME, Sizes, Start

MAKERS = (
    "init_hidden", "init_state", "initial_state", "zero_state", "get_initial_state", "init_states", "begin_state",
    "make_state", "initial_states", "init_hidden_state", "initHidden", "get_init_state", "new_state",
)  # fmt: skip


def starts(module: Any, how: Mapping[str, Any], sizes: Sizes, begun: bool = False) -> Iterator[Start]:
    """What may be given for the state; nothing, where it may be left out, unless it is to be begun with one."""
    parameters = state_parameters(module, how)
    needed = [p for p in parameters if p.default is p.empty or (begun and is_state_word(p.name))]
    if not needed:
        yield Start()
        return
    names = tuple(p.name for p in needed)
    for made in _made(module, sizes):
        if len(names) == 1:
            yield Start((made,), names)
        elif isinstance(made, tuple | list) and len(made) == len(names):
            yield Start(tuple(made), names)
    states = sizes.layers * sizes.directions
    shapes = [(states, BATCH, sizes.hidden), (BATCH, sizes.hidden), (BATCH, states, sizes.hidden)]
    if how.get("input") in ORDERS:
        shapes = [(sizes.hidden, BATCH), *shapes]
    pixels = torch.tensor(PIXELS).shape if how.get("images") else ()
    for shape in shapes if how.get("input") != "step" else [shapes[1], shapes[0], shapes[2]]:
        zero = [torch.zeros((*shape, *pixels), dtype=torch.float64) for _ in range(4)]
        if len(names) > 1:
            yield Start(tuple(zero[: len(names)]), names)
        else:
            one, two = zero[:2]
            held = (*_listed(one, sizes), *_listed((one, two), sizes), {"h": one}, {"h": one, "c": two})
            for value in (one, (one, two), *(held if is_state_word(names[0]) else ())):
                yield Start((value,), names)


def _listed(state: Any, sizes: Sizes) -> Iterator[list[Any]]:
    """A list of what each layer begins with, and of what each direction of each does."""
    yield [state] * (sizes.layers * sizes.directions)
    for directions in dict.fromkeys((sizes.directions, 2)):
        yield [[state] * directions for _ in range(sizes.layers)]


def _made(module: Any, sizes: Sizes) -> Iterator[Any]:
    """What the module's own method gives for a state at the beginning."""
    for name in MAKERS:
        method = getattr(module, name, None)
        if not callable(method):
            continue
        x = torch.zeros(TIME, BATCH, sizes.input, dtype=torch.float64)
        for arguments in ((BATCH,), (), (x,), (BATCH, "cpu"), (BATCH, torch.device("cpu")), (x.transpose(0, 1),)):
            try:
                made = method(*arguments)
            except Exception:  # it is asked otherwise
                continue
            if made is not None:
                yield _double(made)
                break


def _double(value: Any) -> Any:
    """The same state in float64."""
    if isinstance(value, Tensor):
        return value.double()
    if type(value) in (tuple, list):
        return type(value)(_double(one) for one in value)
    return {name: _double(one) for name, one in value.items()} if isinstance(value, dict) else value
