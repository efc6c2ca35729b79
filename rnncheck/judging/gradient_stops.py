"""Where a wrong gradient stops: between the steps, or before the initial state."""

import torch
from torch import Tensor

from rnncheck.catalog.tools.gradients import differentiable_run
from rnncheck.judging.between_calls import NO_ANSWER, generic
from rnncheck.running.trial import Trial, subject_boundary

STEPS = "no gradient goes from a step to the steps before it"
START = "no gradient reaches the initial {}"


def gradient_stops(trial: Trial) -> str | None:
    """Return where no gradient flows though the result depends on what lies there; None where it flows everywhere."""
    try:
        t = generic(trial)
        if not t.subject.offers("hx"):
            t = t.but(state=None)
        x, state = t.x.clone().requires_grad_(), t.map_state(lambda part: part.clone().requires_grad_())
        with torch.enable_grad():
            output = differentiable_run(t, t.layer, x, state).output
        if any(_depends(t, end, start) and not _flows(output[end], x, start) for end, start in ((-1, 0), (0, -1))):
            return STEPS
        letters = ("state",) if state is None or len(state) == 1 else ("h", "c")
        stopped = [letter for letter, part, number in zip(letters, state or (), range(len(state or ())), strict=False)
                   if _depends_on_state(t, number) and not _flows(output[0], part, slice(None))]  # fmt: skip
    except NO_ANSWER:
        return None
    return START.format(" and ".join(stopped)) if stopped else None


def _depends(t: Trial, end: int, start: int) -> bool:
    """Whether the output of one step depends on the input of another."""
    moved = t.x.clone()
    moved[start] += 0.5
    return not torch.equal(t.but(x=moved).run.output[end], t.run.output[end])


def _depends_on_state(t: Trial, number: int) -> bool:
    """Whether the first output depends on this initial state."""
    other = tuple(part + 0.25 * (k == number) for k, part in enumerate(t.given_state))
    return not torch.equal(t.but(state=other).run.output[0], t.run.output[0])


def _flows(end: Tensor, leaf: Tensor, place: int | slice) -> bool:
    """Whether any gradient flows from an output to a part of a leaf."""
    if not end.requires_grad:
        return False
    with subject_boundary("running backward"):
        (found,) = torch.autograd.grad(end, leaf, torch.rand_like(end) + 0.5, retain_graph=True, allow_unused=True)
    return found is not None and bool(found[place].any())
