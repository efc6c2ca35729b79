"""What metamorphic properties do to a trial: pick sequences, turn them round, take a layer or a direction out."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.core.subject import NotClaimed
from rnncheck.running.trial import Trial


def rows(trial: Trial, index: Sequence[int]) -> Trial:
    """These sequences of the batch, in this order, as a batch of their own."""
    lengths = trial.lengths and tuple(trial.lengths[row] for row in index)
    return trial.but(x=trial.x[:, list(index)], state=rows_of(trial.state, index), lengths=lengths)


def rows_of(state: tuple[Tensor, ...] | None, index: Sequence[int]) -> tuple[Tensor, ...] | None:
    """The states of these sequences; None where there is none."""
    return state and tuple(part[:, list(index)] for part in state)


def pick(run: Run, index: Sequence[int]) -> Run:
    """What a run says of these sequences."""
    return run.map(lambda part: part[:, list(index)])


def side_by_side(runs: Iterable[Run]) -> Run:
    """Runs of the same length in time, joined along the batch."""
    each = list(runs)
    return Run(*(torch.cat([dict(run.parts())[name] for run in each], dim=1) for name, _ in each[0].parts()))


def one_after_the_other(first: Run, second: Run) -> Run:
    """Two runs of the same sequences: outputs joined along time, the states of the second."""
    return Run(torch.cat([first.output, second.output]), *second.state)


def backwards(x: Tensor, lengths: tuple[int, ...] | None) -> Tensor:
    """Every sequence of (time, batch, features) back to front within its own length; its own inverse."""
    if lengths is None:
        return x.flip(0)
    turned = x.clone()
    for row, length in enumerate(lengths):
        turned[:length, row] = x[:length, row].flip(0)
    return turned


def exact(part: Tensor) -> Tensor:
    """The same values in float64 on the CPU; not every device has float64."""
    return part.detach().cpu().double()


def steps_inside(trial: Trial) -> Tensor:
    """bool (time, batch): True up to each sequence's own end."""
    lengths = torch.tensor(trial.lengths or (trial.time,) * trial.batch, device=trial.x.device)
    return torch.arange(trial.time, device=trial.x.device).unsqueeze(1) < lengths


def parameters_of(parameters: Mapping[str, Tensor], suffix: str, new_suffix: str) -> dict[str, Tensor]:
    """The parameters of one layer and direction (torch's suffix, ``_l1_reverse``), under another suffix."""
    return {name.removesuffix(suffix) + new_suffix: p for name, p in parameters.items() if name.endswith(suffix)}


def layer_alone(trial: Trial, layer: int, x: Tensor) -> Trial:
    """One layer of a stack, with both its directions, as a layer of its own on this input."""
    directions = trial.config.directions
    own = slice(layer * directions, (layer + 1) * directions)
    parameters = {
        name: p
        for suffix in ("", "_reverse")
        for name, p in parameters_of(trial.parameters, f"_l{layer}{suffix}", f"_l0{suffix}").items()
    }
    state = trial.map_state(lambda part: part[own])
    size = trial.config.layer_input_size(layer)
    return trial.but(x=x, state=state, parameters=parameters, num_layers=1, dropout=0.0, input_size=size)


def ends(trial: Trial) -> list[int]:
    """The steps at which a sequence can be cut in two: all of them, or those between chunks; raises NotClaimed where none is."""
    subject, places = trial.subject, range(trial.subject.steps, trial.time, trial.subject.steps)
    found = [k for k in places if subject.takes_steps(k) and subject.takes_steps(trial.time - k)]
    if not found:
        raise NotClaimed(f"it takes numbers of steps that are {subject.steps_in_words}, and one chunk cannot be cut")
    return found


def drawn_end(trial: Trial, name: str) -> int:
    """Draw a step at which the sequence is cut in two."""
    places = ends(trial)
    return places[trial.draw(name, 1, len(places)) - 1]


def single_steps(trial: Trial, first: int = 0) -> range:
    """The steps from ``first`` on, each of which a call of its own may take; raises NotClaimed where none may."""
    if not trial.subject.takes_steps(1):
        raise NotClaimed(f"it takes numbers of steps that are {trial.subject.steps_in_words}")
    return range(first, trial.time)


def steps_at_once(trial: Trial, most: int) -> int:
    """Draw how many steps a first call makes: of many as many as the leaves of a whole tree of a scan, or one fewer."""
    if trial.subject.steps > 1:
        return drawn_end(trial, "steps at once")
    whole = [steps for level in range(4, 8) for steps in (2**level - 1, 2**level) if steps <= most]
    drawn = trial.draw("steps at once", 1, len(whole) or most)
    return whole[drawn - 1] if whole else drawn
