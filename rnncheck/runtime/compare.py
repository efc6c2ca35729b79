"""One real call against a reference: what a layer or a function returned, and what rounding may have done to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnncheck import oracle
from rnncheck.adapters.targets import resolve
from rnncheck.adapters.torch_layers import split_result
from rnncheck.core.case import Case
from rnncheck.core.features import FEATURES
from rnncheck.core.observation import Observation, both, equal, every, fact, identical, near
from rnncheck.core.subject import Claim, Malformed, Subject
from rnncheck.running.trial import Tensors, Trial
from rnncheck.runtime.as_read import call_as_read, reading_of
from rnncheck.runtime.contracts import values_in
from rnncheck.runtime.tensors_inside import copied, widened

COPIES = 8
SPREADS = 6.0


@dataclass(frozen=True)
class Call:
    """One call of a layer: its parameters as they were, what it was given and what it returned; autocast's dtype, if on."""

    config: Any
    case: Case
    tensors: Tensors
    subject: Subject
    result: Any
    autocast: torch.dtype | None = None


def call_of(layer: nn.Module, reference: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> Call | None:
    """All that is needed to compare the call later; None while dropout is active, where there is nothing to compare."""
    reading = reading_of(type(layer), reference)
    if reading is None:
        return _call(believed(layer), layer, *_given(*args, **kwargs), result)
    read = call_as_read(layer, reading, reference, args, kwargs, result)
    return None if read is None else _call(read.subject, layer, read.input, read.hx, read.result)


def _given(input: Any, hx: Any = None, *more: Any, **others: Any) -> tuple[Any, Any]:
    """The input and the state of a call like torch's."""
    return input, hx


def _call(subject: Subject, layer: nn.Module, input: Any, hx: Any, result: Any) -> Call | None:
    config = subject.fixed
    assert config is not None
    if layer.training and config.dropout > 0 and config.num_layers > 1:
        return None
    x, lengths = _canonical(input, config.batch_first)
    state = None if hx is None else tuple(hx) if config.takes_tuple else (hx,)
    unbatched = isinstance(input, Tensor) and input.dim() == 2
    if state is not None:
        state = tuple((part.unsqueeze(1) if unbatched else part).detach().clone() for part in state)
    dtype, tf32 = str(x.dtype).removeprefix("torch."), x.is_cuda and torch.backends.cudnn.allow_tf32
    case = Case(
        config, len(x), None if unbatched else x.shape[1], lengths, dtype, str(x.device),
        "none" if state is None else "random", training=layer.training, switches=("tf32",) if tf32 else (),
    )  # fmt: skip
    own = subject.build(config, x.dtype, x.device).parameters()
    tensors = Tensors(x.clone(), state, {name: p.detach().clone() for name, p in own.items()}, lengths)
    device = x.device.type
    autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    return Call(config, case, tensors, subject, copied(result), autocast)


@torch.no_grad()
def compare_call(call: Call, reference: Any) -> Observation:
    """The result against the reference's and against the truth, within what rounding may do to this very call."""
    trial = Trial(call.subject, call.case, call.tensors)
    device = trial.x.device.type
    with torch.autocast(device, enabled=False):
        try:
            actual = trial.read(*split_result(call.result)).map(Tensor.detach)
        except Malformed as error:
            return fact(str(error), False, "as it is", "a result like torch.nn's")
        rounding = oracle.rounding_for(
            call.case.torch_dtype, call.case.device, autocast=call.autocast, tf32="tf32" in call.case.switches
        )
        budget = oracle.budget(*trial.question, rounding=rounding, seed=0)
    with torch.autocast(device, call.autocast, enabled=call.autocast is not None):
        expected = Trial(believed(reference), call.case, call.tensors).run
    twice = budget.twice
    return both(actual, expected, twice) & both(actual, budget.truth, budget.allowed)


def believed(target: Any) -> Subject:
    """Taken at its word: what a running program calls is not probed."""
    claims = {feature: Claim(True, "declared") for feature in FEATURES}
    return replace(resolve.subjects(target)[0], claims=claims)


def _canonical(input: Any, batch_first: bool) -> tuple[Tensor, tuple[int, ...] | None]:
    if isinstance(input, PackedSequence):
        x, lengths = pad_packed_sequence(input)
        return x.detach(), tuple(lengths.tolist())
    x = input.detach()
    if x.dim() == 2:
        return x.unsqueeze(1), None
    return x.transpose(0, 1) if batch_first else x, None


@torch.no_grad()
def compare_results(result: Any, reference: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Observation:
    """A result against the reference's on the same arguments in float64; allowed is what changes of a few roundoffs do.

    The two have the same shape, part by part, and there is something to compare.
    """
    actual, expected = dict(values_in(result)), dict(values_in(reference(*widened(args), **widened(kwargs))))
    if not actual or list(actual) != list(expected):
        return equal("parts of the result", ", ".join(actual) or "none", ", ".join(expected) or "a tensor")
    eps = max((torch.finfo(tensor.dtype).eps for tensor in actual.values() if tensor.is_floating_point()), default=0.0)
    g = torch.Generator().manual_seed(0)
    moved = [dict(values_in(reference(*widened(args, g, 2 * eps), **widened(kwargs, g, 2 * eps)))) for _ in range(COPIES)]
    return every(
        near(where, tensor, expected[where], _allowed(expected[where], [copy[where] for copy in moved], eps))
        if tensor.is_floating_point() and tensor.shape == expected[where].shape
        else identical(where, tensor, expected[where])
        for where, tensor in actual.items()
    )


def _allowed(expected: Tensor, moved: list[Tensor], eps: float) -> Tensor:
    spread = torch.stack([(copy - expected) ** 2 for copy in moved]).mean(0)
    pooled = spread.mean(-1, keepdim=True).sqrt() if spread.dim() else spread.sqrt()
    return SPREADS * pooled + 8 * eps * expected.abs().clamp(min=1.0)
