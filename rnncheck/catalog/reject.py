"""Wrong input is refused, with an exception that names what was expected and what came, and nothing is harmed by it."""

from itertools import chain
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from rnncheck.catalog.tools.conditions import at_least, deterministic, has_cell, hx_given, packed, padded
from rnncheck.catalog.tools.rejections import (
    Name,
    in_turn,
    named,
    of_other_width,
    refusal,
    refused,
    reshaped,
    resized,
    unchecked,
    wrong_arguments,
)
from rnncheck.core.observation import Observation, both, every
from rnncheck.core.property import Family
from rnncheck.core.run import Run
from rnncheck.running.trial import Trial

REFUSED = " = refused with"
"""The message for wrong input that was refused, in whatever words."""
reject = Family("reject", "wrong input is accepted, or refused in other words", f" = accepted|{REFUSED}")
NAMES: dict[torch.dtype, Name] = {
    torch.float64: ("float64", "Double", "double"),
    torch.float32: ("float32", "Float", "float"),
    torch.bfloat16: ("bfloat16", "BFloat16"),
    torch.float16: ("float16", "Half", "half"),
    torch.int64: ("int64", "Long", "long"),
}


@reject(
    "input_size",
    lenient=REFUSED,
    formula="f(x), x.shape[-1] != input_size, is refused",
    kind="invariant",
    source="torch.nn.RNNBase.check_input",
    applies=deterministic & padded,
    cost=8,
    needs=("refusals",),
)
def input_size(trial: Trial) -> Observation:
    """An input whose number of features differs from input_size raises an error that names both numbers."""
    return in_turn(trial, of_other_width(trial))


@reject(
    "packed_input_size",
    lenient=REFUSED,
    formula="f(pack(x)), x.shape[-1] != input_size, is refused",
    kind="invariant",
    source="pytorch/pytorch#195803: not checked",
    applies=deterministic & packed,
    cost=8,
    needs=("refusals",),
)
def packed_input_size(trial: Trial) -> Observation:
    """A packed input whose number of features differs from input_size raises an error that names both numbers."""
    return in_turn(trial, of_other_width(trial))


@reject(
    "rank",
    formula="f(x), x.dim() not in (2, 3), is refused",
    kind="invariant",
    source="torch.nn.RNN.forward",
    applies=deterministic & padded,
    cost=6,
    needs=("refusals",),
)
def rank(trial: Trial) -> Observation:
    """A 1-D or 4-D input raises an error that names its number of dimensions (or its shape) and an allowed number (2 or 3)."""
    _, hx = trial.lay_out(trial.x, trial.state)

    def attempt(*sizes: int) -> Observation:
        x = trial.like(trial.x.new_empty(*sizes, trial.config.input_size), "wrong input")
        return refused(trial, f"an input of shape {tuple(x.shape)}", x, hx, (2, 3), (x.dim(), tuple(x.shape)))

    time, batch = trial.time, trial.batch
    return in_turn(trial, (attempt(*sizes) for sizes in ((), (time, 1, batch), (1, time, batch, 1))))


@reject(
    "hx_shape",
    formula="f(x, hx), hx of a wrong size, is refused",
    kind="invariant",
    cost=24,
    source="torch.nn.RNNBase.check_hidden_size; pytorch/pytorch#3259",
    applies=deterministic & padded & hx_given,
    needs=("refusals",),
)
def hx_shape(trial: Trial) -> Observation:
    """A state of another size raises an error that names both sizes; a state for a batch of one is not broadcast."""
    axes = (1, 2, 0) if trial.case.batch is not None else (2, 0)
    return in_turn(trial, chain.from_iterable(resized(trial, axis) for axis in axes))


@reject(
    "hx_rank",
    formula="f(x, hx), hx.dim() != x.dim(), is refused",
    kind="invariant",
    cost=8,
    source="pytorch/pytorch#106769: heap overflow for a hx of 5 axes",
    applies=deterministic & padded & hx_given,
    needs=("refusals",),
)
def hx_rank(trial: Trial) -> Observation:
    """A state with too many or too few axes raises an error that names the given and the right number of axes, or these shapes."""
    return in_turn(trial, reshaped(trial))


@reject(
    "packed_hx",
    formula="f(pack(x), hx), hx of a wrong size or rank, is refused",
    kind="invariant",
    cost=32,
    source="pytorch/pytorch#195803, #173946: not checked, up to a segmentation fault",
    applies=deterministic & packed & hx_given,
    needs=("refusals",),
)
def packed_hx(trial: Trial) -> Observation:
    """With packed input, a state of the wrong size or rank raises an error that names what was expected and what came."""
    return in_turn(trial, chain(resized(trial, 1), resized(trial, 2), reshaped(trial), resized(trial, 0)))


@reject(
    "hx_arity",
    formula="f(x, h), f(x, (h,)), f(x, (h, None)) are refused",
    kind="invariant",
    source="onnx/onnx-tensorflow#408: h without c",
    applies=deterministic & has_cell & hx_given,
    cost=5,
    needs=("refusals",),
)
def hx_arity(trial: Trial) -> Observation:
    """An LSTM raises an error for h without c, instead of silently filling in the missing state."""
    x, hx = trial.lay_out(trial.x, trial.given_state)
    h = (hx or ())[0]
    wrong = {"hx = h alone": h, "hx = (h,)": (h,), "hx = (h, None)": (h, None)}
    return in_turn(trial, (refused(trial, what, x, given) for what, given in wrong.items()))


@reject(
    "hx_surplus",
    formula="f(x, (h, c, c)) is refused",
    kind="invariant",
    source="torch.nn.LSTM: Inputs, a pair",
    applies=deterministic & has_cell & hx_given,
    cost=3,
    needs=("refusals",),
)
def hx_surplus(trial: Trial) -> Observation:
    """An LSTM raises an error for a state of more than two tensors, instead of silently dropping some."""
    x, hx = trial.lay_out(trial.x, trial.given_state)
    return in_turn(trial, iter([refused(trial, "hx = (h, c, c)", x, (*(hx or ()), (hx or ())[-1]))]))


@reject(
    "empty_time",
    formula="f(x[:0]) is refused, or (y, h_n) = ([], h_0)",
    kind="invariant",
    source="pytorch/pytorch#50192",
    applies=deterministic & padded,
    cost=3,
    needs=("refusals",),
)
def empty_time(trial: Trial) -> Observation:
    """An input without steps raises an error that names the 0, or gives an empty output and the initial state unchanged."""
    empty = trial.but(x=trial.x[:0])
    given = empty.lay_out(empty.x, empty.state)
    message = refusal(lambda: empty.layer(*given))
    nothing = Run(empty.x.new_empty(0, empty.batch, empty.config.output_size), *empty.given_state)
    continued = () if message is not None else (both(empty.run, nothing, 0.0, "of an input of time 0: "),)
    return in_turn(trial, continued or (named("an input of time 0", message, [(0,)]),))


@reject(
    "lengths",
    formula="f(PackedSequence(data, batch_sizes)), batch_sizes growing or too long, is refused",
    kind="invariant",
    source="torch.nn.utils.rnn.PackedSequence; pytorch/pytorch#169213",
    applies=deterministic & packed & at_least(time=2, batch=1),
    cost=4,
    needs=("refusals",),
)
def lengths(trial: Trial) -> Observation:
    """A packed input whose batch sizes grow, or claim more steps than its data has, raises an error."""
    equal = trial.but(lengths=(trial.time,) * trial.batch)
    x, hx = equal.lay_out(equal.x, equal.state)
    sizes = torch.full((trial.time,), trial.batch)
    growing, longer = sizes.clone(), torch.cat([sizes, sizes[:1]])
    growing[0], growing[-1] = trial.batch - 1, trial.batch + 1
    wrong = {"a longer packed input than its data": longer, "a packed input with growing batch sizes": growing}
    return in_turn(trial, (refused(trial, what, PackedSequence(x.data, s), hx) for what, s in wrong.items()))


@reject(
    "constructor",
    formula="F(hidden_size=0), F(dropout=1.5), F(proj_size=hidden_size), ... are refused",
    kind="invariant",
    source="torch.nn.RNNBase.__init__",
    cost=1,
    needs=("refusals",),
)
def constructor(trial: Trial) -> Observation:
    """The constructor refuses sizes that are not positive integers, a dropout that is no probability, and too wide a projection."""
    dtype, device = trial.case.torch_dtype, torch.device(trial.case.device)

    def attempt(name: str, value: Any) -> Observation:
        config = unchecked(trial.config, **{name: value})
        message = refusal(lambda: trial.subject.build(config, dtype, device))
        return named(f"{name}={value!r}", message, [(name, str(value))])

    return every(attempt(name, value) for name, value in wrong_arguments(trial))
