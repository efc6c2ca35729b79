"""Each of several states that are read from their types: whether it is used, and whether it changes."""

import torch
from torch import Tensor

from rnncheck.catalog.tools.deeds import moved_by_state
from rnncheck.core.observation import Observation, every, fact
from rnncheck.core.subject import NotClaimed
from rnncheck.reading.typed.wrapper import Typed
from rnncheck.running.factorizing import factorizing
from rnncheck.running.trial import Trial

NOT_USED = ", which no step uses,"
"""Is in the lines of an initial state that has no effect, where what the step before returned of it has none either."""
STAYS = ", which comes back as it was given,"
"""Is in the lines of one of several states that no input changes."""
MANY = 300
"""Steps after which a state that is written once a chunk has been written."""


def is_noticed(plain: Trial, state: tuple[Tensor, ...], names: tuple[str, ...] | None = None) -> bool:
    """Whether a call gives other results, or others of these names, from this state, or cannot factorize what it is given."""
    try:
        with factorizing((plain.x, state)):
            return bool(plain.do(moved_by_state, plain.layer, *plain.arguments, plain.but(state=state).arguments[1], names))
    except NotClaimed:
        return True


def each_moves_anything(plain: Trial) -> Observation:
    """Whether each of several states that are read from their types moves any result: with NaN, or with another count."""
    named, start, seen = plain.config.named, 0, list[Observation]()
    if named is None or len(named.states) == 1:
        return Observation()
    for place, state in enumerate(named.states, 1):
        part = slice(start, start := start + named.features(state))
        others = [plain.given_state[0].clone() for _ in range(2)]
        others[0][..., part] = torch.nan
        others[1][..., part] += 1
        moves = any(is_noticed(plain, (other,)) for other in others)
        seen.append(fact(f"another state {place} ({state.name}){NOT_USED} moves a result", moves, moves, True))
    return every(seen)


def each_moves(trial: Trial) -> Observation:
    """Whether each of several states that come back is another than was given: with NaN, or behind many steps of it."""
    named, module = trial.config.named, trial.layer.module
    if named is None or len(named.states) == 1 or not isinstance(module, Typed):
        return Observation()
    nan, start, seen = trial.but(x=torch.full_like(trial.x, torch.nan)), 0, list[Observation]()
    for place, (state, path) in enumerate(zip(named.states, module.roles["finals"], strict=True), 1):
        part = slice(start, start := start + named.features(state))
        moves = path is None or not (_stays(trial, part) and _stays(nan, part) and _stays(_many(nan), part))
        seen.append(fact(f"final state {place} ({state.name}){STAYS} is another", moves, moves, True))
    return every(seen)


def _stays(trial: Trial, part: slice) -> bool:
    return torch.equal(trial.run.state[0][..., part], trial.given_state[0][..., part])


def _many(trial: Trial) -> Trial:
    """The same steps again and again."""
    times = MANY // trial.time + 1
    return trial.but(x=torch.cat([trial.x] * times), lengths=trial.lengths and tuple(times * length for length in trial.lengths))
