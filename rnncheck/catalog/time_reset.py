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
    """After a reset flag everything is as from the beginning, before it as without one, and no gradient flows back across it.

    A flag may change what its own step takes of the input, too: then all is as from a beginning with a flag.
    """
    first = int(any(one.resets == "after" for one in flags_of(trial)))
    at_once = trial.draw("row that forgets what is given", 0, trial.batch)  # none, where it is the number of rows
    steps = [first if row == at_once else trial.draw(f"reset in row {row}", first, trial.time - 1) for row in range(trial.batch)]
    seen = _as_begun_anew(trial, steps, [])
    if not seen.holds and not first and _takes_its_own_input(trial):
        marked = _as_begun_anew(trial, steps, [0])
        seen = marked if marked.holds else seen
    return seen & _nothing_flows_back(raised(trial, dict(enumerate(steps))), steps) if trial.case.training else seen


def _as_begun_anew(trial: Trial, steps: list[int], flags: list[int]) -> Observation:
    """From a flag on, all is as in a sequence that begins there.

    So it is with one flag in each row, at these steps, and with a flag at every step.

    flags: the steps of that sequence that have flags themselves
    """
    pieces = side_by_side(begun_anew(rows(raised(trial, {}), [row]), k, flags) for row, k in enumerate(steps))
    flagged = raised(trial, dict(enumerate(steps)))
    seen = flagged.same(pieces, sides=("in two sequences", "with a reset flag between them"))
    return seen & _same_from_every_step(trial, flags)


def begun_anew(trial: Trial, k: int, flags: list[int] | None = None) -> Run:
    """The first steps, and then the others without a state, with flags at these of their steps."""
    later = trial.but(x=trial.x[k:], state=_anew(trial))
    later = raised(later, {0: flags}) if flags else later
    return one_after_the_other(trial.but(x=trial.x[:k]).run, later.run) if k else later.run


def _same_from_every_step(trial: Trial, flags: list[int]) -> Observation:
    """Where the state is forgotten before every step but the first, each of them is a sequence of its own."""
    steps = (_alone(raised(trial, {}), t, flags) for t in range(trial.time))
    flagged = raised(trial, dict.fromkeys(range(trial.batch), list(range(1, trial.time))))
    return flagged.same(reduce(one_after_the_other, steps), "at every step: ", ("each step alone", "with a flag at each"))


def _alone(trial: Trial, t: int, flags: list[int]) -> Run:
    """One step, the first with the state that is given, another without, and with these flags."""
    if t == 0:
        return trial.but(x=trial.x[:1]).run
    return raised(trial.but(x=trial.x[t : t + 1], state=_anew(trial)), dict.fromkeys(range(trial.batch), flags)).run


def _takes_its_own_input(trial: Trial) -> bool:
    """Whether the output of each step with a flag changes with its input, wherever it does so without a flag."""

    def shown(steps: list[int]) -> Tensor:
        each = (raised(one, dict.fromkeys(range(trial.batch), steps)) for one in (trial, trial.but(x=2 - trial.x)))
        one, other = (flagged.run.output for flagged in each)
        return (one != other).any(-1)

    return bool((shown(list(range(trial.time))) | ~shown([])).all())


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
