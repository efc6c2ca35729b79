"""Data on which everything has an effect: positive and moderate, so that nothing cancels, saturates or vanishes."""

from torch import Tensor

from rnncheck.trial import Trial


def lively(trial: Trial) -> Trial:
    """The case with positive data of moderate size throughout: no gradient can cancel, saturate or vanish.

    Three steps at least, all of them valid; the subject keeps its own parameters where they cannot be set.
    """
    time, rows = max(trial.time, 3), max(trial.batch, 1)
    x = positive(trial, trial.x.new_empty(time, rows, trial.config.input_size), "input")
    shapes = [(part.shape[0], rows, part.shape[2]) for part in trial.state or ()]
    state = tuple(positive(trial, trial.x.new_empty(shape), "hx") for shape in shapes) or None
    return trial.but(x=x, state=state, parameters=lively_parameters(trial), lengths=trial.lengths and (time,) * rows)


def positive(trial: Trial, tensor: Tensor, name: str) -> Tensor:
    """Between 1/2 and 1."""
    return trial.like(tensor, f"lively {name}").abs().clamp(max=2) / 4 + 0.5


def lively_parameters(trial: Trial) -> dict[str, Tensor]:
    """Positive weights whose rows sum to at most 1/2, and biases of that size."""
    return {name: positive(trial, p, name) / (2 * p.shape[-1] ** (p.dim() - 1)) for name, p in trial.parameters.items()}
