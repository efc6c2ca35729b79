"""What is wrong with the state between two calls of a recurrence whose equations are not known, where one change explains it."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.observation import near
from rnncheck.core.subject import Malformed, NotClaimed, Subject
from rnncheck.core.values import Values
from rnncheck.running.trial import SubjectError, Trial, Unmeasurable

ABOUT = ("state.moves", "state.used", "time.split", "time.step_by_step", "time.prefill", "time.same_weights")
"""Properties that a wrong state between two calls breaks."""
OF_ROWS = ("batch.alone", "batch.permute")
"""Those that rows with the state of another one break."""
NO_ANSWER = (SubjectError, Malformed, NotClaimed, Unmeasurable)
STEPS, ROWS = 6, 3
BELOW = "the last layer does not read the layer below"
FIRST_ROW = "every row starts from the first row's initial state"
STAYS = "no step reads the {} of the step before: each begins with the first one"
States = tuple[Tensor, ...]


def between_calls(trial: Trial) -> str | None:
    """Return what is wrong with the state that goes in or comes back, where exactly one change of it explains the difference."""
    if trial.config.bidirectional or trial.lengths is not None or trial.subject.named is not None:
        return None
    try:
        other = generic(trial)
        if not trial.subject.offers("hx"):
            return None
        if _goes_on(other, lambda states: states):
            return BELOW if other.config.num_layers > 1 and _ignored_below(other) else None
        found = [words for words, explains in _hypotheses(other) if explains()]
    except NO_ANSWER:
        return None
    return found[0] if len(found) == 1 else None


def of_the_first_row(trial: Trial) -> str | None:
    """Return that all rows begin with the state of the first, where another one of the first moves them and their own does not."""
    if trial.lengths is not None or trial.subject.named is not None or not trial.subject.offers("hx"):
        return None
    try:
        t = generic(trial)
        moved = tuple(torch.cat([1 - part[:, :1], part[:, 1:]], 1) for part in t.given_state)
        same = tuple(torch.cat([part[:, :1], 1 - part[:, 1:]], 1) for part in t.given_state)
        own, of_first, of_others = (other.run.output[:, 1:] for other in (t, t.but(state=moved), t.but(state=same)))
    except NO_ANSWER:
        return None
    return FIRST_ROW if torch.equal(of_others, own) and not torch.equal(of_first, own) else None


def generic(trial: Trial, lengths: tuple[int, ...] | None = None) -> Trial:
    """The case with generic numbers, as many as can tell one change from another, and these lengths of its rows."""
    subject: Subject = trial.subject
    sizes = {} if subject.fixed is not None else {"input_size": 5, "hidden_size": 6}
    if subject.one_size:
        sizes = {} if subject.fixed is not None else {"input_size": 6, "hidden_size": 6}
    plain: dict[str, Any] = {name: Values() for name in ("weights", "biases", "input", "state")}
    plain |= {"dtype": "float64"} if subject.offers("float64") else {}
    batch = None if trial.case.batch is None else ROWS
    plain |= {"lengths": lengths}
    fitted = subject.fitted(trial.config.but(dropout=0.0, **sizes))
    return Trial(subject, trial.case.but(config=fitted, time=STEPS, batch=batch, hx="random", training=False, **plain))


def _hypotheses(trial: Trial) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Each change in words, with whether it explains the difference."""
    parts = len(trial.given_state)
    if parts == 1:
        yield "the initial state is ignored", lambda: _ignored(trial, 0)
        yield STAYS.format("state"), lambda: _each_begins_with_the_first(trial, 0)
    else:
        yield "the initial h is ignored", lambda: _ignored(trial, 0) and not _ignored(trial, 1)
        yield "the initial c is ignored", lambda: _ignored(trial, 1) and not _ignored(trial, 0)
        yield "the initial state is ignored", lambda: _ignored(trial, 0) and _ignored(trial, 1)
        yield "h and c come back in each other's place", lambda: _goes_on(trial, lambda s: s[::-1])
        yield STAYS.format("h"), lambda: _each_begins_with_the_first(trial, 0)
        yield STAYS.format("c"), lambda: _each_begins_with_the_first(trial, 1)
        yield "h comes back as zeros", lambda: _comes_back_as_zeros(trial) == (True, False)
        yield "c comes back as zeros", lambda: _comes_back_as_zeros(trial) == (False, True)
    yield "the state comes back as it was given", lambda: _comes_back(trial, trial.given_state)
    yield "the state comes back as zeros", lambda: _comes_back(trial, trial.zero_state())
    yield "the state that comes back is that of the step before the last", lambda: _goes_on(trial, lambda s: s, late=1)
    if trial.config.num_layers > 1:
        yield "the states of the layers come back in reverse order", lambda: _goes_on(trial, lambda s: tuple(p.flip(0) for p in s))
        yield "the initial states of the layers above the first are ignored", lambda: _ignored_above(trial)


def _ignored(trial: Trial, part: int) -> bool:
    """Whether another initial state, of this part alone, changes no output."""
    other = tuple(1 - p if k == part else p for k, p in enumerate(trial.given_state))
    return torch.equal(trial.but(state=other).run.output, trial.run.output)


def _each_begins_with_the_first(trial: Trial, part: int) -> bool:
    """Whether a sequence in two calls is right where this part of the state is the first one again in the second call."""
    if _ignored(trial, part):
        return False
    return _goes_on(trial, lambda s: tuple(trial.given_state[k] if k == part else p for k, p in enumerate(s)))


def _ignored_above(trial: Trial) -> bool:
    """Whether other initial states of all layers but the first change no output, and another one of the first does."""
    other = tuple(torch.cat([p[:1], 1 - p[1:]]) for p in trial.given_state)
    first = tuple(torch.cat([1 - p[:1], p[1:]]) for p in trial.given_state)
    same, moved = (trial.but(state=states).run.output for states in (other, first))
    return torch.equal(same, trial.run.output) and not torch.equal(moved, trial.run.output)


def _ignored_below(trial: Trial) -> bool:
    """Whether other initial states of all layers but the last change no output, and another one of the last does."""
    other = tuple(torch.cat([1 - p[:-1], p[-1:]]) for p in trial.given_state)
    last = tuple(torch.cat([p[:-1], 1 - p[-1:]]) for p in trial.given_state)
    same, moved = (trial.but(state=states).run.output for states in (other, last))
    return torch.equal(same, trial.run.output) and not torch.equal(moved, trial.run.output)


def _comes_back(trial: Trial, states: States) -> bool:
    return all(torch.equal(one.to(other), other) for one, other in zip(trial.run.state, states, strict=True))


def _comes_back_as_zeros(trial: Trial) -> tuple[bool, ...]:
    """Which parts of the state do."""
    return tuple(not part.any() for part in trial.run.state)


def _goes_on(trial: Trial, changed: Callable[[States], States], late: int = 0) -> bool:
    """Whether a sequence in two calls, with the state changed between them, gives what it gives in one.

    late: the number of steps by which the state that comes back is behind
    """
    cut = trial.time // 2
    first = trial.but(x=trial.x[:cut]).run
    state = tuple(part.to(trial.x.dtype) for part in changed(first.state))  # of another one it is wrong whatever is in it
    rest = trial.but(x=trial.x[cut - late :], state=state).run
    joined = torch.cat([first.output[: cut - late], rest.output])
    return near("output", joined, trial.run.output, 2 * trial.budget.allowed.output).holds
