"""Further arguments of a call, which are neither input nor state nor lengths: which values they take, and what these do."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.config import Config
from rnncheck.core.further import Further
from rnncheck.reading.adapter.adapted import FLAT, Adapted
from rnncheck.reading.adapter.given_beside import filled
from rnncheck.reading.calls.beside import MASKS, MEMORY, ONES, SHAPES, VECTOR
from rnncheck.reading.calls.call_arguments import is_state_word, parameters, state_parameters
from rnncheck.reading.calls.experiment import CUT, example, quiet, rows_tried, steps_tried
from rnncheck.reading.seen import Seen
from rnncheck.reading.typed.resets import RESETS

FLAGS = (*RESETS, "terminal", "terminals", "terminated", "new_episode", "not_done", "not_dones", "nonterminal", "nonterminals")
"""Names of arguments that say where the state is forgotten."""
VALUES = (("float", 0.25, 0.75), ("float", 0.0, 1.0), ("bool", 0.0, 1.0), ("long", 0.0, 1.0))
"""Kinds of values that are tried, from a lowest to a highest one."""
ON_OR_OFF = (("bool", 0.0, 1.0), ("float", 0.0, 1.0), ("long", 0.0, 1.0))
"""The same of a mask of what is looked up: a number between may be rounded either way."""
CLOSE = 1e-9
"""Two runs that are nearer than this differ by rounding alone."""


@dataclass(frozen=True)
class _Calls:
    """How the module is called on the experiments' input with values for further arguments."""

    module: Any
    seen: Seen
    config: Config
    zero: Any

    def __call__(self, x: Tensor, named: Mapping[str, Tensor]) -> Tensor:
        """The output (time, batch, features) for an input (time, batch, features)."""
        beside = [one for one in self.seen.how.get("beside", ()) if one[0] not in named]
        called = Adapted(
            copy.deepcopy(self.module), self.config.hidden_size, **{**self.seen.how, "beside": beside, "others": dict(named)}
        )
        major = self.seen.how["batch_first"]
        with quiet():
            output, _ = called(x.transpose(0, 1) if major else x, self.zero)
        return output.transpose(0, 1) if major else output


def further_arguments(module: Any, seen: Seen, config: Config, zero: Any) -> tuple[Further, ...]:
    """Return the further arguments that can be varied in a call on a whole sequence, with what is found of each."""
    how = seen.how
    simple = isinstance(module, nn.Module) and not isinstance(module, torch.jit.ScriptModule) and how.get("input") != "step"
    if not simple or how["last"] or how.get("reverse") or how.get("kept") or how.get("reset"):
        return ()
    calls = _Calls(module, seen, config, zero)
    x = example(config.input_size, 6)
    found = (_taken(calls, x, name, shapes, value) for name, shapes, value in _names(module, seen))
    return tuple(_as_flags(calls, x, one) for one in found if one is not None)


def _names(module: Any, seen: Seen) -> Iterator[tuple[str, tuple[str, ...], float | None]]:
    """The arguments, the shapes that each may have, and the value that leaves the recurrence as it is; None if it is left out."""
    beside = {name: (shape, value) for name, shape, _, value in seen.how.get("beside", ())}
    lengths = seen.how["lengths"]
    taken = [*(keyword for keyword, _ in seen.how["given"]), *(lengths[:1] if lengths else ())]
    states = [p.name for p in state_parameters(module, seen.how) if is_state_word(p.name)]
    for p in parameters(module, seen.how):
        if p.name in beside:
            shape, value = beside[p.name]
            if shape in (*SHAPES, VECTOR, *MEMORY, *MASKS):
                yield p.name, (shape,), value
        elif p.default is None and p.name not in (*taken, *states):
            yield p.name, SHAPES, None


def _taken(calls: _Calls, x: Tensor, name: str, shapes: tuple[str, ...], neutral: float | None) -> Further | None:
    """The first shape and kind of values that a call takes, and under which it returns finite numbers; one that moves the output.

    Numbers between 0 and 1 change nothing where they are rounded to whole ones.
    """
    still: Further | None = None
    usual, fewer, part = calls(x, {}), replace(calls, zero=_of_rows(calls.zero, rows_tried() - 1)), x[:-1, :-1]
    for shape in shapes:
        for kind, low, high in ON_OR_OFF if shape in MASKS else VALUES:
            one = Further(name, shape, kind, low, high, neutral, flat=calls.seen.how.get("input") == FLAT)
            try:
                output = calls(x, {name: drawn(one, x, calls, seed=7)})
                fewer(part, {name: drawn(one, part, fewer, seed=7)})  # else a size of its own may look like rows or steps
                of_rows = one.has_steps or (
                    _is_of_rows(calls, one) if neutral is None else shape in (*SHAPES, *MASKS) or _has_rows(calls, x, one)
                )
            except Exception:  # it takes no such values
                continue
            if output.shape == usual.shape and bool(output.isfinite().all()):
                if not torch.equal(output, usual):
                    return replace(one, moves=True) if of_rows else None
                still = still or replace(one, moves=False)
    return still


def _is_of_rows(calls: _Calls, one: Further) -> bool:
    """Whether the last of many values moves its own row of the output: else the axis may be one of layers."""
    rows = 4 * rows_tried()
    many = replace(calls, zero=_of_rows(calls.zero, rows))
    x = torch.randn(steps_tried(), rows, calls.config.input_size, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    other = (values := drawn(one, x, many, seed=7)).clone()
    other[-1] = 1 - other[-1].to(torch.float64)
    return not torch.equal(*(many(x, {one.name: given})[:, -1] for given in (values, other)))


def _has_rows(calls: _Calls, x: Tensor, one: Further) -> bool:
    """Whether there must be as many of its values as there are rows: else all rows may look them up."""
    try:
        calls(x, {one.name: drawn(one, torch.cat([x, x], 1), calls, seed=7)})
    except Exception:  # it takes no such number
        return True
    return False


def _of_rows(zero: Any, rows: int) -> Any:
    """Return a state of zeros as torch has it, with this number of rows."""
    if isinstance(zero, tuple):
        return tuple(_of_rows(one, rows) for one in zero)
    return zero if zero is None else zero.new_zeros(zero.shape[0], rows, *zero.shape[2:])


def drawn(one: Further, x: Tensor, calls: _Calls, seed: int) -> Tensor:
    """Values of this argument between its lowest and highest, in the layer's own layout."""
    whole = filled(one.shape, one.kind, 0.0, x, x.shape[1], calls.config.hidden_size)
    part = torch.rand(whole.shape, generator=torch.Generator().manual_seed(seed))
    values = one.low + (one.high - one.low) * part if one.low > 0 else (part > 0.5).double()
    values = torch.full_like(values, 1 - (one.neutral or 0.0)) if one.shape in MASKS else values
    return _own(one.leaving_one(values.to(whole.dtype)), one, calls)


def _own(values: Tensor, one: Further, calls: _Calls) -> Tensor:
    return one.laid_out(values, bool(calls.seen.how["batch_first"]))


def mask_makes_it_forget(module: Any, seen: Seen, config: Config, zero: Any) -> bool:
    """Return whether what is taken for a mask of padding says where an episode begins: the state is forgotten there."""
    name, form, _ = seen.how["lengths"] or ("", "", False)
    if "mask" not in form or not isinstance(module, nn.Module) or seen.how["last"] or seen.how.get("input") == "step":
        return False
    calls = _Calls(module, replace(seen, how={**seen.how, "lengths": None}), config, zero)
    x = example(config.input_size, 6)
    shape, kind = "steps 1" if form.endswith("(steps, 1)") else "steps", "float" if form.startswith("float") else "bool"
    one = Further(name, shape, kind, 0.0, 1.0, float(not form.startswith("padding")))
    none = partial(filled, shape, kind, one.neutral or 0.0, rows=rows_tried(), hidden=0)
    before, after = (_own(none(input=part), one, calls) for part in (x[:CUT], x[CUT:]))
    try:
        fresh = torch.cat([calls(x[:CUT], {name: before}), calls(x[CUT:], {name: after})])
        return any(bool((calls(x, {name: _flag(one, x, calls, at)}) - fresh)[:, 1].abs().max() < CLOSE) for at in (CUT, CUT - 1))
    except Exception:  # it is called in another way
        return False


def _as_flags(calls: _Calls, x: Tensor, one: Further) -> Further:
    """The same, as flags where its name says so, or a value makes the state forget: before a step, or after it."""
    if one.shape not in ("steps", "steps 1"):
        return one
    neutral = float(any(word in ONES for word in one.name.lower().split("_"))) if one.neutral is None else one.neutral
    raised = replace(one, neutral=neutral)
    try:
        fresh = torch.cat([calls(x[:CUT], {}), calls(x[CUT:], {})])
        apart = {when: float((calls(x, {one.name: _flag(raised, x, calls, at)}) - fresh)[:, 1].abs().max())
                 for when, at in (("before", CUT), ("after", CUT - 1))}  # fmt: skip
    except Exception:  # it takes no flags
        return one
    nearest = min(apart, key=lambda when: apart[when])
    if one.name.lower() in FLAGS or apart[nearest] < CLOSE:
        return replace(raised, resets=nearest)
    return one


def _flag(one: Further, x: Tensor, calls: _Calls, at: int) -> Tensor:
    """One flag that is raised, in the second row."""
    values = filled(one.shape, one.kind, one.neutral or 0.0, x, rows_tried(), calls.config.hidden_size)
    values[at, 1] = 1 - (one.neutral or 0.0)
    return _own(values, one, calls)
