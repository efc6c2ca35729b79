"""Data on which everything has an effect: positive and moderate, so that nothing cancels, saturates or vanishes."""

from collections.abc import Mapping

from torch import Tensor

from rnncheck.catalog.tools.training import written
from rnncheck.core.subject import Layer
from rnncheck.running.trial import Trial


def lively(trial: Trial, steps: int = 3) -> Trial:
    """The case on such data, with this number of steps at least, all of them valid."""
    time, rows = max(trial.time, steps), max(trial.batch, 1)
    return enlivened(trial, time, rows, (time,) * rows)


def small_and_lively(trial: Trial) -> Trial:
    """The case on such data, with three steps and at most two sequences; packed, the other has two steps."""
    rows = min(max(trial.batch, 1), 2)
    lengths = (3, 2)[:rows] if trial.case.sorted_lengths else (2, 3)[-rows:]
    return enlivened(trial, 3, rows, lengths)


def enlivened(trial: Trial, time: int, rows: int, lengths: tuple[int, ...]) -> Trial:
    """The case on such data; the lengths count where its input is packed. What cannot be set, parameters, stays."""
    x = positive(trial, trial.x.new_empty(time, rows, trial.config.input_size), "input")
    shapes = [(part.shape[0], rows, part.shape[2]) for part in trial.state or ()]
    state = tuple(trial.within_bounds(positive(trial, trial.x.new_empty(shape), "hx")) for shape in shapes) or None
    return trial.but(x=x, state=state, parameters=lively_parameters(trial), lengths=trial.lengths and lengths)


def in_many_digits(trial: Trial) -> Trial:
    """The same numbers in float64, or in float32 where that is not offered: in few digits two terms may cancel to exactly 0."""
    return trial.to("float64" if trial.subject.offers("float64") else "float32")


def has_effect(trial: Trial, name: str) -> bool:
    """Return whether a parameter can change the results that are read; a learned first state cannot where a state is given."""
    return not any(name == idle or name.endswith(f".{idle}") for idle in trial.subject.nature.get("idle", ()))


def positive(trial: Trial, tensor: Tensor, name: str) -> Tensor:
    """Between 0.55 and 0.95: away from 1/2 and 1, where numbers are rounded up, and from where thresholds often lie."""
    return trial.like(tensor, f"lively {name}").abs().clamp(max=2) / 5 + 0.55


def lively_parameters(trial: Trial) -> dict[str, Tensor]:
    """Positive weights whose rows sum to at most 1/2, and biases of that size."""
    return as_lively(trial, trial.parameters)


def enliven(trial: Trial, layer: Layer) -> None:
    """Give a layer's parameters such values, where a case cannot set them by name: no rectifier inside is dead."""
    if not trial.parameters:
        trial.do(written, layer, as_lively(trial, {name: p.detach() for name, p in layer.module.named_parameters()}))


def as_lively(trial: Trial, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Such values for these parameters, whole numbers aside."""
    columns = {name: p.numel() // max(1, len(p)) if p.dim() > 1 else 1 for name, p in parameters.items() if p.is_floating_point()}
    return {name: positive(trial, parameters[name], name) / (2 * n) for name, n in columns.items()}
