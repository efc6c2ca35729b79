"""What must hold of a recurrence that takes reset flags: it begins anew in the middle of a sequence."""

from functools import reduce

import torch
from torch import Tensor

from rnncheck.catalog.time import time
from rnncheck.catalog.tools.conditions import at_least, deterministic, padded, with_reset_flags
from rnncheck.catalog.tools.follow_ups import one_after_the_other, rows, side_by_side
from rnncheck.catalog.tools.reset_flags import flags_of, raised
from rnncheck.core.observation import Observation, every, identical
from rnncheck.core.run import Run
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.trial import Trial


@time(
    "reset",
    formula="f(x, reset at k) = f(x[:k]) ++ f(x[k:]), d f(x, reset at k)[k:] / d x[:k] ≡ 0",
    kind="metamorphic",
    source="recurrent policies, whose episodes end in the middle of a sequence: pytorch/rl#1406",
    applies=deterministic & padded & with_reset_flags & at_least(time=2, batch=1),
    cost=8,
)
def reset(trial: Trial) -> Observation:
    """After a reset flag everything is as from the beginning, before it as without one, and no gradient flows back across it."""
    first = int(any(one.resets == "after" for one in flags_of(trial)))
    at_once = trial.draw("row that forgets what is given", 0, trial.batch)  # none, where it is the number of rows
    steps = [first if row == at_once else trial.draw(f"reset in row {row}", first, trial.time - 1) for row in range(trial.batch)]
    sides = ("in two sequences", "with a reset flag between them")
    pieces = side_by_side(begun_anew(rows(raised(trial, {}), [row]), k) for row, k in enumerate(steps))
    flagged = raised(trial, dict(enumerate(steps)))
    seen = flagged.same(pieces, sides=sides) & _same_from_every_step(trial)
    return seen & _nothing_flows_back(flagged, steps) if trial.case.training else seen


def begun_anew(trial: Trial, k: int) -> Run:
    """The first steps, and then the others without a state."""
    later = trial.but(x=trial.x[k:], state=_anew(trial)).run
    return one_after_the_other(trial.but(x=trial.x[:k]).run, later) if k else later


def _same_from_every_step(trial: Trial) -> Observation:
    """Where the state is forgotten before every step but the first, each of them is a sequence of its own."""
    alone = raised(trial, {})
    steps = (_alone(alone, t) for t in range(trial.time))
    flagged = raised(trial, dict.fromkeys(range(trial.batch), list(range(1, trial.time))))
    return flagged.same(reduce(one_after_the_other, steps), "at every step: ", ("each step alone", "with a flag at each"))


def _alone(trial: Trial, t: int) -> Run:
    """One step, the first with the state that is given, another without."""
    return trial.but(x=trial.x[t : t + 1], state=trial.state if t == 0 else _anew(trial)).run


def _anew(trial: Trial) -> tuple[Tensor, ...] | None:
    """The state at the beginning: none is given, where it may be left out; what a sequence has for all of its steps stays."""
    forgotten, zero = _forgotten(trial), trial.zero_state()
    if trial.state is not None and not bool(forgotten.all()):
        return (torch.where(forgotten, zero[0], trial.state[0]),)
    return None if trial.subject.offers("hx_none") else zero


def _forgotten(trial: Trial) -> Tensor:
    """bool (features of the state): whether a flag forgets it; the others are what a sequence has for all of its steps."""
    module, named = trial.layer.module, trial.config.named
    kept = module.roles["kept"] if isinstance(module, Typed) else []
    each = [one.name not in kept for one in named.states for _ in range(named.features(one))] if named is not None else []
    return torch.tensor(each or [True], device=trial.x.device)


def _nothing_flows_back(trial: Trial, steps: list[int]) -> Observation:
    """What is computed behind a flag has no gradient in what was before it."""
    weights = trial.cotangents()
    behind = torch.arange(trial.time, device=trial.x.device)[:, None] >= torch.tensor(steps, device=trial.x.device)
    found = trial.gradients(Run(weights.output * behind[..., None], *weights.state))
    before = found["input"].masked_fill(behind[..., None], 0.0) if found["input"] is not None else trial.x.new_zeros(0)
    through = found.get("h_0")
    gradients = {"input": before, "h_0": None if through is None else torch.where(_forgotten(trial), through, 0)}
    seen = ((f"gradient of {name} from behind a flag", part) for name, part in gradients.items() if part is not None)
    return every(identical(what, part, torch.zeros_like(part)) for what, part in seen)
