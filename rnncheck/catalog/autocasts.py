"""Which of autocast's two dtypes a case is run in, and on what input."""

from collections.abc import Mapping

import torch
from torch import Tensor

from rnncheck.catalog.derivatives import states_in
from rnncheck.run import Run
from rnncheck.trial import Trial


def drawn_autocast(trial: Trial) -> torch.autocast:
    """Autocast to bfloat16, or to float16 if the layer claims it."""
    half = trial.subject.offers("autocast_half") and trial.draw("autocast", 0, 1)
    return torch.autocast(trial.x.device.type, torch.float16 if half else torch.bfloat16)


def in_its_dtype(trial: Trial, casting: torch.autocast) -> Trial:
    """The trial on input that this autocast need not round."""
    return trial.but(x=trial.x.to(casting.fast_dtype).to(trial.x.dtype))


def run_under(casting: torch.autocast, trial: Trial, leaves: Mapping[str, Tensor]) -> Run:
    """The trial's layer on these leaves under autocast, what it returns in float32."""
    with casting:
        run = trial.read(*trial.call_on(trial.layer, leaves["input"], states_in(leaves)))
    return run.map(Tensor.float)
