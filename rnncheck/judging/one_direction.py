"""Whether an output is as wide as that of two directions, though no part of it reads from the end."""

import torch
from torch import Tensor

from rnncheck.judging.between_calls import NO_ANSWER, generic
from rnncheck.running.trial import Trial

ABOUT = ("shape.output",)
NOT_TURNED = "the output is as wide as that of two directions, and no part of it reads from the end"


def one_direction(trial: Trial) -> str | None:
    """Return that this is so, None where it is not."""
    if trial.config.bidirectional or trial.lengths is not None or trial.subject.named is not None:
        return None
    try:
        t = generic(trial)
        t = t if t.subject.offers("hx") else t.but(state=None)
        before = _output(t)
        after = _output(t.but(x=torch.cat([t.x[:-1], 1 - t.x[-1:]])))
    except NO_ANSWER:
        return None
    if before is None or after is None or before.shape[-1] != 2 * t.config.output_size:
        return None
    return NOT_TURNED if torch.equal(before[:-1], after[:-1]) else None


def _output(t: Trial) -> Tensor | None:
    """What the layer returns as its output, however wide it is, with the axis of time first; None without one."""
    output, _ = t.returned
    if not isinstance(output, Tensor) or output.dim() < 2:
        return None
    output = output.transpose(0, 1) if t.config.batch_first and t.case.batch is not None else output
    return output if len(output) == t.time else None
