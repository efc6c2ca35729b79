"""The simplest case that a subject runs on, and what one more call of it shows."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from rnncheck.backend.unimplemented import in_words, is_unimplemented
from rnncheck.core import plain_text
from rnncheck.core.case import Case
from rnncheck.core.plain_text import one_line
from rnncheck.core.subject import Layer, Malformed, NotClaimed, Subject
from rnncheck.running.trial import SubjectError, Trial, subject_boundary

TIME, BATCH = 5, 3
FIRST_STATE = "the first state that it makes itself does not follow its dtype and device"
"""Begins the reason why a dtype, or the meta device, is not offered that works where a state is given."""


def lengths_of(case: Case) -> tuple[int, ...]:
    """Return the lengths of three sequences: all steps, one fewer, and three fewer; none is less than 1."""
    return tuple(max(1, case.time - fewer) for fewer in (0, 1, 3))


class NotOffered(Exception):
    """What came back shows that a feature is not offered, though nothing was raised."""


@dataclass(frozen=True)
class Baseline:
    """The simplest case that a subject can run, and what it returned; every call starts from here.

    forms: the ways to give hx that work in this case, each tried in turn
    """

    subject: Subject
    case: Case
    layer: Layer
    output: Any
    state: tuple[Any, ...]
    forms: tuple[str, ...]

    def run(self, **changes: Any) -> "Baseline":
        """The case with these changes, with hx given or not, whichever works first; raises what the last one raised."""
        *first, last = self.forms
        for hx in first:
            try:
                return ground(self.subject, self.case.but(hx=hx, **changes), self.forms)
            except (SubjectError, Malformed):  # the next way is tried
                pass
        return ground(self.subject, self.case.but(hx=last, **changes), self.forms)

    def tensors(self) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """The input and the state, as the case's call takes them."""
        trial = trial_of_ground(self.subject, self.case)
        return trial.lay_out(trial.x, trial.state)

    def function(self) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """(x -> output, x): in double precision if there is any, as float32 has kernels with fewer derivatives."""
        double = reason_not(lambda: self.run(dtype="float64")) is None
        found = self.run(dtype="float64" if double else "float32")
        x, hx = found.tensors()
        return (lambda x: found.layer(x, hx)[0]), x


def ground(subject: Subject, case: Case, forms: tuple[str, ...]) -> Baseline:
    """Build and call once; raises SubjectError or Malformed."""
    trial = trial_of_ground(subject, case)
    layer = trial.build()
    output, state = trial.call_on(layer)
    return Baseline(subject, case, layer, output, state, forms)


def trial_of_ground(subject: Subject, case: Case) -> Trial:
    flat = {name: claim for name, claim in subject.claims.items() if name == "layer_axis"}
    return Trial(replace(subject, claims=flat), case)  # without the claim to load, parameters stay as they are


def attempt(action: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """(what ``action`` returns, None), or (None, what the subject raised)."""
    try:
        with warnings.catch_warnings(), subject_boundary("probing"):
            warnings.simplefilter("ignore")
            return action(), None
    except (SubjectError, NotClaimed, Malformed) as error:
        return None, root(error)


def reason_not(action: Callable[[], Any], only: tuple[type[BaseException], ...] = (BaseException,)) -> str | None:
    """None where ``action`` succeeds (or raises anything but ``only``); else the exception in one line."""
    _, error = attempt(action)
    return said(error) if error is not None and issubclass(type(error), only) else None


def root(error: BaseException) -> BaseException:
    """What the subject itself raised."""
    while issubclass(type(error), SubjectError):
        error = error.cause  # type: ignore[attr-defined]
    return error


def said(error: BaseException) -> str:
    """An exception in one line."""
    if issubclass(type(error), NotClaimed | Malformed | NotOffered):
        return one_line(error)
    if is_unimplemented(error):
        return one_line(in_words(error))
    return plain_text.said(error)
