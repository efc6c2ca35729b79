"""Which calls the properties of the family clip speak of, and what they compare."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

from rnncheck.catalog.tools.clip_deeds import left_by_a_refusal
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.observation import Observation, every, fact, identical, near, within
from rnncheck.core.property import Condition
from rnncheck.running.clip_trial import Clipped, ClipTrial
from rnncheck.running.clip_truth import ClipTruth, clip_truth, total_norm, underflow, unit_roundoff

# which calls a property speaks of -------------------------------------------------------------------------------------


def _norm_is_ordinary(case: ClipCase) -> bool:
    """Its square neither overflows nor underflows in any of the dtypes; and it is large against 1e-6, or 0."""
    present = [gradient for gradient in case.tensors() if gradient is not None]
    norm, dtypes = total_norm(present, 2.0), [torch.finfo(g.dtype) for g in present]
    if norm == 0.0:  # 1 / 1e-6 is too large for float16
        return all(dtype.max > 1e6 for dtype in dtypes)
    return norm > 1e-4 and all(dtype.tiny < norm**2 < dtype.max / 4 for dtype in dtypes)


finite = Condition("finite gradients", lambda case: all(bool(g.isfinite().all()) for g in case.tensors() if g is not None))
once = Condition("each parameter listed once", lambda case: not any(g.twice for g in case.gradients))
with_elements = Condition("no gradient without elements", lambda case: all(0 not in g.shape for g in case.gradients))
not_empty_maximum = Condition(
    "no gradient without elements under the infinity norm",
    lambda case: case.norm_type != inf or all(0 not in g.shape for g in case.gradients if not g.missing),
)
ordinary = finite & once & not_empty_maximum & Condition("a norm whose square is an ordinary number", _norm_is_ordinary)
some = Condition("some element", lambda case: any(g is not None and g.numel() for g in case.tensors()))
on_cpu = Condition(
    "gradients on the CPU", lambda case: all((g.device or case.device) == "cpu" for g in case.gradients if not g.missing)
)
clipping = Condition("max_norm > 0", lambda case: case.max_norm > 0)
half_precision = Condition(
    "some bfloat16 or float16 gradient", lambda case: any(g.dtype in ("bfloat16", "float16") for g in case.gradients)
)


# what is compared -----------------------------------------------------------------------------------------------------


def truth_of(trial: ClipTrial, **options: Any) -> ClipTruth:
    """The truth for this call."""
    return clip_truth(trial.present, trial.case.max_norm, trial.case.norm_type, **options)


def scaled(run: Clipped, truth: ClipTruth, prefix: str = "") -> Observation:
    """Every gradient is the truth's."""
    pairs = run.pairs()
    return every(near(prefix + what, after, truth.expected(before), truth.allowed(before)) for what, before, after in pairs)


def stays_zero(trial: ClipTrial, gradients: Sequence[Tensor]) -> Observation:
    """Gradients of 0 stay 0 where max_norm is 0: 0 / 0 is not computed."""
    zeros = [torch.zeros_like(g) for g in gradients]
    run = trial.but(gradients=zeros, max_norm=0.0, error_if_nonfinite=False).run
    return every(identical(f"{what} of 0 with max_norm 0, {before.dtype}", after, before) for what, before, after in run.pairs())


def bounded(run: Clipped, truth: ClipTruth, case: ClipCase, prefix: str = "") -> Observation:
    """Check that the remaining norm is at most max_norm, except for the rounding of each stored element."""
    after = [after for _, _, after in run.pairs()]
    rounding = [unit_roundoff(g.dtype) * g.double().abs() + underflow(g.dtype) for g in after]
    allowed = total_norm(rounding, case.norm_type) + truth.relative * min(case.max_norm, truth.norm)
    norm = torch.tensor(total_norm(after, case.norm_type), dtype=torch.float64)
    return within(f"{prefix}norm afterwards", norm, 0.0, case.max_norm, allowed)


def norm_told(run: Clipped, truth: ClipTruth, prefix: str = "") -> Observation:
    """The returned norm is the truth's, in the dtype in which it is returned."""
    expected = torch.tensor(truth.norm, dtype=torch.float64).to(run.norm.dtype)
    rounding = unit_roundoff(run.norm.dtype) * truth.norm + underflow(run.norm.dtype)
    return near(f"{prefix}returned norm", run.norm, expected, truth.relative * truth.norm + rounding)


def halved(trial: ClipTrial, **changes: Any) -> ClipTrial:
    """The call with a bound of half the norm, so that it has to clip."""
    other = trial.but(**changes)
    return other.but(max_norm=total_norm(other.present, other.case.norm_type) / 2)


# how the elements are spread over parameters ---------------------------------------------------------------------------


def kind(gradient: Tensor) -> str:
    """Its dtype and device: what can be one vector with others."""
    return f"{gradient.dtype} {gradient.device}"


def by_dtype(gradients: Iterable[Tensor]) -> list[Tensor]:
    """The gradients, sorted by dtype and device."""
    return sorted(gradients, key=kind)


def merged(gradients: Sequence[Tensor]) -> list[Tensor]:
    """One vector for each dtype and device."""
    kinds = sorted({kind(g) for g in gradients})
    return [torch.cat([g.reshape(-1) for g in gradients if kind(g) == one]) for one in kinds]


def pieces(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Every gradient cut into an element and the rest; what has no elements is left as it is."""
    return [piece for g in gradients for piece in (g.reshape(-1).split([1, g.numel() - 1]) if g.numel() > 1 else [g])]


def flat(gradients: Iterable[Tensor]) -> Tensor:
    """All elements in one vector, float64 on the CPU."""
    return torch.cat([torch.zeros(0), *(g.double().cpu().reshape(-1) for g in gradients)])


# other gradients ----------------------------------------------------------------------------------------------------------


def times(trial: ClipTrial, largest: float, size: float) -> list[Tensor | None]:
    """The gradients scaled so that the largest element becomes ``size``; in float64, where that is harmless."""
    return [None if g is None else (g.double() / largest * size).to(g.dtype) for g in trial.gradients]


def not_made_up(what: str, before: Tensor, after: Tensor) -> Observation:
    """Where an inf or NaN was among the gradients each element is as it was, or not finite."""
    honest = torch.where(before.isfinite(), (after == before) | ~after.isfinite(), ~after.isfinite())
    return identical(f"{what} stays, or is not finite", honest, torch.ones_like(honest))


def poisoned(trial: ClipTrial, value: float) -> list[Tensor | None]:
    """One element of one gradient replaced by ``value``."""
    places = [place for place, g in enumerate(trial.gradients) if g is not None and g.numel()]
    chosen = places[trial.draw("poisoned gradient", 0, len(places) - 1)]
    copies = [None if g is None else g.clone() for g in trial.gradients]
    one = copies[chosen]
    assert one is not None
    one.view(-1)[trial.draw("poisoned element", 0, one.numel() - 1)] = value
    return copies


def copies(trial: ClipTrial) -> tuple[Tensor | None, ...]:
    """The gradients as copies, for what is done to them to write into."""
    return tuple(None if g is None else g.clone() for g in trial.gradients)


def refused_and_untouched(trial: ClipTrial, what: str) -> Observation:
    """The call is refused, and leaves the gradients as they are."""
    why = trial.refusal()
    told = fact(what, why is not None, why or "accepted", "refused")
    pairs = zip(trial.gradients, trial.do(left_by_a_refusal, copies(trial)), strict=True)
    kept = (
        identical("gradient after a call that should be refused", now, g) for g, now in pairs if g is not None and now is not None
    )
    return told & every(kept)
