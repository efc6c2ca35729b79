"""What may be given for the state in the first call, where one must be given."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rnncheck.reading.adapter.adapted import ORDERS, PIXELS
from rnncheck.reading.adapter.given_beside import NODES
from rnncheck.reading.calls.call_arguments import is_state_word, own_methods, state_parameters
from rnncheck.reading.calls.experiment import Sizes, Start, rows_tried, steps_tried
from rnncheck.reading.calls.results import leaves

MAKERS = (
    "init_hidden", "init_state", "initial", "initial_state", "zero_state", "get_initial_state", "init_states",
    "begin_state", "make_state", "initial_states", "init_hidden_state", "initHidden", "get_init_state", "new_state",
)  # fmt: skip
BEGINNINGS = {"init", "initial", "begin", "zero", "new", "create", "make", "get", "start", "first", "allocate"}
STATES = {"state", "states", "hidden", "hiddens", "cache"}
"""Parts of the name of a method that gives a state to begin with: one of each."""


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
    states, rows = sizes.layers * sizes.directions, rows_tried()
    shapes = [(states, rows, sizes.hidden), (rows, sizes.hidden), (rows, states, sizes.hidden)]
    if how.get("input") in ORDERS:
        shapes = [(sizes.hidden, rows), *shapes]
    pixels = torch.tensor(PIXELS[0] if how["images"] == "row" else PIXELS).shape if how.get("images") else ()
    for shape in shapes if how.get("input") != "step" else [shapes[1], shapes[0], shapes[2]]:
        shape = (*shape[:-1], len(NODES), shape[-1]) if how.get("nodes") else shape
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
    """What the module's own methods give for a state at the beginning."""
    for name in makers(module):
        x, rows = torch.zeros(steps_tried(), rows_tried(), sizes.input, dtype=torch.float64), rows_tried()
        for arguments in ((rows,), (), (x,), (rows, "cpu"), (rows, torch.device("cpu")), (x.transpose(0, 1),)):
            try:
                made = getattr(module, name)(*arguments)
            except Exception:  # it is asked otherwise
                continue
            if made is not None:
                yield _double(made)
                break


def makers(module: Any) -> list[str]:
    """Return the methods that may give a state to begin with: by their whole names, or by the parts of these."""
    by_parts = own_methods(module, BEGINNINGS, STATES)
    return list(dict.fromkeys((*(name for name in MAKERS if callable(getattr(module, name, None))), *by_parts)))


def learned_in_makers(module: Any, names: set[str]) -> tuple[str, ...]:
    """Return those of these parameters that are in a state to begin with, which a method of the module gives for some rows."""
    own = {name: module.get_parameter(name) for name in sorted(names)}
    found = set[str]()
    for maker in makers(module) if own else ():
        try:
            parts = [t for _, t in leaves(getattr(module, maker)(rows_tried())) if t.requires_grad]
            grads = torch.autograd.grad([part.sum() for part in parts], list(own.values()), allow_unused=True)
        except Exception:  # it is asked otherwise, or learns nothing
            continue
        found |= {name for name, g in zip(own, grads, strict=True) if g is not None}
    return tuple(sorted(found))


def _double(value: Any) -> Any:
    """The same state in float64."""
    if isinstance(value, Tensor):
        return value.double()
    if type(value) in (tuple, list):
        return type(value)(_double(one) for one in value)
    return {name: _double(one) for name, one in value.items()} if isinstance(value, dict) else value
