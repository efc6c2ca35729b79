"""What a recurrence begins from where no state is given: zeros, or other numbers of its own."""

import torch
from torch import Tensor

from rnncheck.core.run import Run
from rnncheck.running.trial import Trial


def begins_otherwise(trial: Trial) -> bool:
    """Return whether another first state than zeros explains that a recurrence of its own gives something else without one.

    It does where a call gives the same after another one, and pieces go on from that state, or not from zeros either: then what is
    wrong is how pieces go on.
    """
    if (trial.config.named is None and not trial.subject.of_its_own) or not trial.subject.offers("state"):
        return False
    return _begins_alike(trial) and (_goes_on(trial, None) or not _goes_on(trial, trial.zero_state()))


def _begins_alike(trial: Trial) -> bool:
    """Whether a call without a state gives the same, bit for bit, after another one."""
    plain = trial.but(state=None)
    first = plain.run
    trial.but(x=1 - trial.x, state=None).run  # noqa: B018
    again = plain.run_on(plain.layer)
    return all(torch.equal(one, now) for (_, one), (_, now) in zip(first.parts(), again.parts(), strict=True))


def _goes_on(trial: Trial, state: tuple[Tensor, ...] | None) -> bool:
    """Whether the sequence twice is the sequence, and then again from the state that came back.

    Where lengths are given, all three calls take some, and the first one has no padding.
    """
    full, longer = (tuple(trial.time + n * more for n in trial.lengths) if trial.lengths else None for more in (0, 1))
    first = trial.but(state=state, lengths=full).run
    twice = trial.but(x=torch.cat([trial.x, trial.x]), state=state, lengths=longer)
    rest = trial.but(state=first.state).run
    whole = Run(torch.cat([first.output, rest.output]), *rest.state)
    return bool(first.state) and twice.same(whole).holds
