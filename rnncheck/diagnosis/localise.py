"""Where a subject first leaves its budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.diagnosis.evidence import Answer
from rnncheck.diagnosis.small_errors import fitting
from rnncheck.oracle.budget import Budget

DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True)
class Location:
    """The first result that is off, in the order in which a layer computes.

    time: the step, None if every output is right and only a final state is off; batch: the row; part: output, h_n or c_n;
    features: the worst one there; share: its |error| / allowed; gate: torch's letter, where it could be had;
    curve: the largest share at every time step, of all rows and directions.
    """

    time: int | None
    layer: int
    direction: str
    batch: int
    part: str
    features: int
    share: float
    curve: tuple[float, ...]
    gate: str | None = None

    def __str__(self) -> str:
        when = f"final {self.part}" if self.time is None else f"time {self.time}"
        gate = f", gate {self.gate}" if self.gate else ""
        return f"{when}, layer {self.layer}, {self.direction}, batch {self.batch}{gate}"


def error_curve(budget: Budget, actual: Run) -> list[float]:
    """The largest |error| / allowed of the output at every time step."""
    shares = budget.ratios(actual).output
    return [float(step.max()) if step.numel() else 0.0 for step in shares]


def _steps_taken(time: int, batch: int, lengths: Sequence[int] | Tensor | None, reverse: bool) -> Tensor:
    """(time, batch): the how-manieth step of its row this is."""
    steps = torch.arange(time, device="cpu")[:, None].expand(time, batch)
    if not reverse:
        return steps
    ends = torch.full((batch,), time) if lengths is None else torch.as_tensor(lengths).cpu()
    taken = ends - 1 - steps
    return torch.where(taken < 0, time + steps, taken)  # beyond the end: after everything else


def _first_output(config: Config, shares: Tensor, lengths: Sequence[int] | Tensor | None) -> tuple[int, int, int] | None:
    """(direction, time, batch) of the first output of the last layer that is off, the earliest in its own direction."""
    found = []
    for direction, half in enumerate(shares.chunk(config.directions, -1)):
        wrong = (half > 1).any(-1)
        taken = _steps_taken(wrong.shape[0], wrong.shape[1], lengths, bool(direction))
        found += [(int(taken[t, b]), direction, int(b), int(t)) for t, b in wrong.nonzero()]
    if not found:
        return None
    _, direction, batch, time = min(found)
    return direction, time, batch


def _lower_layer(config: Config, shares: Run, batch: int) -> tuple[int, int] | None:
    """(layer, direction) of the lowest layer whose final state is off in this row."""
    for index in range(config.num_layers * config.directions):
        if any(bool((state[index, batch] > 1).any()) for state in shares.state):
            return divmod(index, config.directions)
    return None


def localise(
    config: Config,
    budget: Budget,
    actual: Run,
    lengths: Sequence[int] | Tensor | None = None,
    *,
    prefix: Callable[[int], tuple[Budget, Run]] | None = None,
    answer: Answer | None = None,
) -> Location | None:
    """The first time step, layer, direction and batch row at which actual leaves the budget; None if it does not.

    Only the last layer's outputs are seen at every step. A lower layer is named if its final state is off. If
    prefix(k) gives the budget and the subject's run of the first k steps (of a layer in one direction, without lengths), the
    step is found for lower layers too, from their states after k steps. If the answer is given, and a small error of one gate
    explains all of the difference, the gate is named.
    """
    shares = budget.ratios(actual)
    curve = tuple(error_curve(budget, actual))
    found = _in_results(config, shares, curve, lengths)
    if found is not None and found.time is not None and prefix is not None and not config.bidirectional and lengths is None:
        found = _by_prefixes(config, prefix, len(curve)) or found
    if found is None:
        return None
    return replace(found, curve=curve, gate=None if answer is None else _gate(answer))


@torch.inference_mode(False)
@torch.no_grad()
def _gate(answer: Answer) -> str | None:
    """The gates of which a small error explains the difference: one, or two that are only seen as a product."""
    letters = dict.fromkeys(family.gate for family, _ in fitting(answer) if family.gate)
    return " or ".join(letters) if 0 < len(letters) <= 2 else None


def _in_results(config: Config, shares: Run, curve: tuple[float, ...], lengths: Sequence[int] | Tensor | None) -> Location | None:
    first = _first_output(config, shares.output, lengths)
    if first is None:
        return _final_state(config, shares, curve)
    direction, time, batch = first
    half = shares.output[time, batch].chunk(config.directions)[direction]
    layer = config.num_layers - 1
    lower = _lower_layer(config, shares, batch)
    if lower is not None and lower[0] < layer:
        layer, direction = lower
    features, share = int(half.argmax()), float(half.max())
    return Location(time, layer, DIRECTIONS[direction], batch, "output", features, share, curve)


def _final_state(config: Config, shares: Run, curve: tuple[float, ...]) -> Location | None:
    """Of a subject whose outputs are all right."""
    for part, values in list(shares.parts())[1:]:
        wrong = (values > 1).nonzero()
        if len(wrong):
            index, batch, _ = wrong[0].tolist()
            layer, direction = divmod(index, config.directions)
            row = values[index, batch]
            place = DIRECTIONS[direction], batch, part, int(row.argmax()), float(row.max())
            return Location(None, layer, *place, curve)
    return None


def _by_prefixes(config: Config, prefix: Callable[[int], tuple[Budget, Run]], time: int) -> Location | None:
    """The smallest k after which some layer's state is off, by bisection: an error stays, or a later one is found."""
    low, high, found = 0, time, None
    while low < high:
        middle = (low + high) // 2
        budget, actual = prefix(middle + 1)
        off = _final_state(config, budget.ratios(actual), ())
        if off is None:
            low = middle + 1
        else:
            high, found = middle, replace(off, time=middle)
    return found
