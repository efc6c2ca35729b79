"""``agrees_with``: a sampled fraction of real calls is replayed against a reference, within the budget of that call."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnncheck import store
from rnncheck.adapters import resolve
from rnncheck.adapters.torch_layers import split_result
from rnncheck.case import Case
from rnncheck.faces.decorators import Policy, active, sampled, tensors_in, violate
from rnncheck.observation import Observation, both, every, near
from rnncheck.subject import FEATURES, Claim, Malformed, Subject
from rnncheck.trial import Tensors, Trial

COPIES = 8
SPREADS = 6.0


def agrees_with(
    reference: Any, *, sample: float = 0.01, policy: Policy = "raise", folder: str | Path | None = None
) -> Callable[[Any], Any]:
    """Replay a fraction ``sample`` of the calls of a layer class or of a function against ``reference``.

    A layer (a torch.nn.Module class with torch's call) is compared with the reference under the same parameters, input
    and state, within what rounding may do to this very call; calls with active dropout are left out. A function is
    compared with the reference function on the same arguments in float64. The first call is always looked at. With
    ``folder`` the failing call's configuration is kept there as a case file.

    Raises ContractViolation (or what the policy says) on a call that does not agree.
    """

    def decorate(target: Any) -> Any:
        toss = sampled(sample, getattr(target, "__qualname__", repr(target)))
        if inspect.isclass(target) and issubclass(target, nn.Module):
            target.forward = _layer_forward(target.forward, target.__qualname__, reference, toss, policy, folder)
            return target
        return _function(target, reference, toss, policy)

    return decorate


def _layer_forward(
    forward: Callable[..., Any],
    name: str,
    reference: Any,
    toss: Callable[[], bool],
    policy: Policy,
    folder: str | Path | None,
) -> Callable[..., Any]:
    @functools.wraps(forward)
    def wrapper(self: nn.Module, input: Any, hx: Any = None, *args: Any, **kwargs: Any) -> Any:
        result = forward(self, input, hx, *args, **kwargs)
        if active() and toss():
            with torch.no_grad():
                seen, case = compare_call(self, input, hx, result, reference)
            if not seen.holds:
                kept = _keep(case, name, Path(folder)) if folder is not None else ""
                violate(
                    name,
                    f"{name} does not agree with {reference.__name__}: {seen.mismatches()[0]}; {case}{kept}",
                    policy,
                )
        return result

    return wrapper


def compare_call(layer: nn.Module, input: Any, hx: Any, result: Any, reference: Any) -> tuple[Observation, Case | None]:
    """One call of a layer against the reference and against the truth; nothing to compare while dropout is active."""
    subject, other = (_believed(resolve.subjects(target)[0]) for target in (layer, reference))
    config = subject.fixed
    assert config is not None
    if layer.training and config.dropout > 0 and config.num_layers > 1:
        return Observation(), None
    x, lengths = _canonical(input, config.batch_first)
    state = None if hx is None else tuple(hx) if config.has_cell else (hx,)
    unbatched = isinstance(input, Tensor) and input.dim() == 2
    if state is not None and unbatched:
        state = tuple(part.unsqueeze(1) for part in state)
    dtype = str(x.dtype).removeprefix("torch.")
    case = Case(
        config,
        len(x),
        None if unbatched else x.shape[1],
        lengths,
        dtype,
        str(x.device),
        "none" if state is None else "random",
        training=layer.training,
    )
    own = subject.build(config, x.dtype, x.device).parameters()
    tensors = Tensors(x, state, {name: p.detach().clone() for name, p in own.items()}, lengths)
    trial = Trial(subject, case, tensors)
    try:
        actual = trial.read(*split_result(result)).map(Tensor.detach)
    except Malformed as error:
        return near(str(error), torch.ones(1), torch.zeros(1), 0.0), case
    budget = trial.budget
    expected = Trial(other, case, tensors).run
    return both(actual, expected, budget.allowed.map(lambda allowed: 2 * allowed)) & both(
        actual, budget.truth, budget.allowed
    ), case


def _believed(subject: Subject) -> Subject:
    """Taken at its word: what a running program calls is not probed."""
    return replace(subject, claims={feature: Claim(True, "declared") for feature in FEATURES})


def _canonical(input: Any, batch_first: bool) -> tuple[Tensor, tuple[int, ...] | None]:
    if isinstance(input, PackedSequence):
        x, lengths = pad_packed_sequence(input)
        return x.detach(), tuple(lengths.tolist())
    x = input.detach()
    if x.dim() == 2:
        return x.unsqueeze(1), None
    return x.transpose(0, 1) if batch_first else x, None


def _keep(case: Case | None, name: str, folder: Path) -> str:
    stored = store.Stored("agree.against", name, "layer", case)
    return f"; kept in {store.save(stored, folder / 'failing')}"


def _function(
    fn: Callable[..., Any], reference: Callable[..., Any], toss: Callable[[], bool], policy: Policy
) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        if active() and toss():
            with torch.no_grad():
                seen = compare_results(result, reference, args, kwargs)
            if not seen.holds:
                violate(
                    fn.__qualname__,
                    f"{fn.__qualname__} does not agree with {reference.__name__}: {seen.mismatches()[0]}",
                    policy,
                )
        return result

    return wrapper


def compare_results(
    result: Any, reference: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation:
    """A result against the reference's on the same arguments in float64; allowed is what changes of a few roundoffs do."""
    actual = list(tensors_in(result))
    eps = max((torch.finfo(tensor.dtype).eps for _, tensor in actual), default=0.0)
    expected = [tensor for _, tensor in tensors_in(reference(*_wide(args), **_wide(kwargs)))]
    g = torch.Generator().manual_seed(0)
    moved = [
        [t for _, t in tensors_in(reference(*_wide(args, g, 2 * eps), **_wide(kwargs, g, 2 * eps)))]
        for _ in range(COPIES)
    ]
    return every(
        near(where, tensor, expected[i], _allowed(expected[i], [copy[i] for copy in moved], eps))
        for i, (where, tensor) in enumerate(actual)
    )


def _allowed(expected: Tensor, moved: list[Tensor], eps: float) -> Tensor:
    spread = torch.stack([(copy - expected) ** 2 for copy in moved]).mean(0)
    pooled = spread.mean(-1, keepdim=True).sqrt() if spread.dim() else spread.sqrt()
    return SPREADS * pooled + 8 * eps * expected.abs().clamp(min=1.0)


def _wide(value: Any, g: torch.Generator | None = None, step: float = 0.0) -> Any:
    """Floating-point tensors in float64, each element changed by up to ``step`` of itself."""
    if isinstance(value, Tensor) and value.is_floating_point():
        wide = value.detach().double()
        return (
            wide
            if g is None
            else wide * (1 + step * (2 * torch.rand(wide.shape, generator=g, dtype=wide.dtype) - 1).to(wide.device))
        )
    if isinstance(value, dict):
        return {key: _wide(part, g, step) for key, part in value.items()}
    return tuple(_wide(part, g, step) for part in value) if isinstance(value, tuple) else value
