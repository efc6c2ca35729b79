"""A candidate beside its reference on one case: it runs first, on copies, and what the reference leaves is overwritten."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from torch import Tensor

from rnncheck.core.pair_case import PairCase
from rnncheck.core.subject import NotClaimed, Subject
from rnncheck.running.pair_draws import DrawnAs
from rnncheck.running.pair_gradients import Gradients, gradients_by_name
from rnncheck.running.pair_noise import allowed
from rnncheck.running.pair_reference import OWN, Calls, PairReference
from rnncheck.running.pair_results import Tensors, numbers
from rnncheck.running.pair_session import PairSession
from rnncheck.running.subject_errors import SubjectError


class PairTrial(PairReference):
    """A candidate on one case. ``run`` is made once; follow-ups are explicit: ``trial.but(rows=1).run``.

    sessions: where every session is noted, for those who want to write it down
    """

    def __init__(self, subject: Subject, case: PairCase, sessions: list[PairSession] | None = None) -> None:
        super().__init__(subject.build, case)
        self.subject, self.sessions = subject, sessions
        self._shared: PairTrial = self

    def but(self, **changes: Any) -> "PairTrial":
        """A follow-up: the words change the case; raises NotClaimed where that is not offered."""
        case = self.case.but(**changes)
        refused = self.subject.refuses(case)
        if refused is not None:
            raise NotClaimed(refused)
        return PairTrial(self.subject, case, self.sessions)

    def fork(self) -> "PairTrial":
        """The same trial for another property: shares the run."""
        other = PairTrial(self.subject, self.case, self.sessions)
        other._shared = self._shared
        return other

    def session(self) -> PairSession:
        """A new candidate."""
        return PairSession(self, self.sessions)

    @cached_property
    def run(self) -> dict[str, Tensor]:
        """What a new candidate returns for the case's inputs."""
        return self._shared.run if self._shared is not self else self.played(OWN)[0]

    def played(self, calls: Calls) -> list[dict[str, Tensor]]:
        """What a new candidate returns for these inputs in turn; raises NotClaimed where the reference raises too."""
        try:
            session = self.session()
            return [session.results(key) for key in calls]
        except SubjectError:
            self.exact_run(calls, self.weights, self.states)
            raise

    def reference_in_dtype(self) -> "PairSession":
        """A new reference in the case's dtype, called as a candidate is: for what it does, not for its numbers."""
        return PairTrial(replace(self.subject, build=replace(self.pair, candidate=self.pair.reference)), self.case).session()

    def own_noise(self, calls: Calls) -> list[dict[str, Tensor]]:
        """How far the candidate's own way of computing may be off: measured on it as on the reference, in float64."""
        exact = PairTrial(self.subject, self.case.but(dtype="float64"))

        def play(weights: Tensors, states: Tensors, copy: int | None = None) -> list[dict[str, Tensor]]:
            session = exact.session()
            session.load(weights, states)
            with DrawnAs(self.dtype):
                return [numbers(session.call(self.exact_inputs(key, copy), grad=False)) for key in calls]

        own = play(self.weights, self.states)
        return allowed(own, self.noisy(lambda copy, w, s: play(w, s, copy)), self.dtype, pooled=False)

    def gradients(self) -> Gradients:
        """The candidate's gradients by the reference's names; None where there is none."""
        session = self.session()
        names = {name: session.names[name] for name in self.trained}
        found: Gradients = session.do(
            gradients_by_name, self.inputs(), self.cotangents, names, grad=True, doing="calling and differentiating"
        )
        return found
