"""Which of autocast's two dtypes a case is run in, and on what input."""

import torch

from rnncheck.running.trial import Trial


def drawn_autocast(trial: Trial) -> torch.autocast:
    """Autocast to the device's own dtype (bfloat16 on the CPU, float16 on CUDA), or to the other if the layer claims that."""
    kind = trial.x.device.type
    own = torch.get_autocast_dtype(kind)
    other, feature = (torch.float16, "autocast_half") if own == torch.bfloat16 else (torch.bfloat16, "autocast")
    return torch.autocast(kind, other if trial.subject.offers(feature) and trial.draw("autocast", 0, 1) else own)


def in_its_dtype(trial: Trial, casting: torch.autocast) -> Trial:
    """The trial on input that this autocast need not round."""
    return trial.but(x=trial.x.to(casting.fast_dtype).to(trial.x.dtype))
