"""A candidate beside its reference on one case: it runs first, on copies, and what the reference leaves is overwritten."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.case import DTYPES
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import said
from rnncheck.core.subject import NotClaimed, Subject
from rnncheck.core.values import generator
from rnncheck.running.measured_noise import COPIES
from rnncheck.running.pair import Pair, built, cast, floating, kept, load, matched
from rnncheck.running.pair_draws import DrawnAs, default_dtype
from rnncheck.running.pair_events import Called, Did, Loaded
from rnncheck.running.pair_gradients import Gradients, gradients_by_name, gradients_of, recording
from rnncheck.running.pair_noise import allowed, moved, rounding
from rnncheck.running.pair_reading import read_pair
from rnncheck.running.pair_results import Tensors, numbers, poison, scrub
from rnncheck.running.pair_weights import changed
from rnncheck.running.subject_errors import SubjectError, seeded, subject_boundary

Calls = tuple[str, ...]
"""The inputs of calls that one model gets in turn, by the names under which PairTrial.inputs draws them."""
OWN: Calls = ("input",)
KEPT = 24
"""Budgets that are kept for later properties."""
_BUDGETS: "OrderedDict[Any, list[Budget]]" = OrderedDict()
_COUNTS: set[int] = set()
"""How many numbers the results of references have."""


@dataclass(frozen=True)
class Budget:
    """What is right, and how far each number may be from it, by path; float64 on the CPU."""

    truth: Tensors
    allowed: Tensors


class PairSession:
    """A new candidate with the case's weights, called in turn; call ``n`` starts at the random state of the n-th."""

    def __init__(self, trial: "PairTrial") -> None:
        self.trial, self.case, self.count = trial, trial.case, 0
        self.events: list[Loaded | Called | Did] = []
        self._last: Sequence[Any] = ()
        if trial.sessions is not None:
            trial.sessions.append(self)
        case, pair = trial.case, trial.pair
        with subject_boundary("building"):
            self.model = built(pair.candidate.object, trial.init, case.seed, trial.dtype, case.device).train(case.training)
        self.names = matched(trial.reference, self.model)
        self.load(trial.weights, trial.states)

    def load(self, weights: Tensors, states: Tensors) -> None:
        """Give the candidate these weights and states, by the reference's names."""
        with subject_boundary("loading weights into"):
            load(self.model, weights, self.names, states)
        if self.trial.sessions is not None:
            self.events.append(Loaded({self.names[name]: value for name, value in weights.items()}, states))

    def call(self, inputs: Sequence[Any], grad: bool | None = None) -> Any:
        """What the candidate returns, as it is."""
        given, again = _copies(inputs), len(self._last) == len(inputs) and all(map(is_, self._last, inputs))
        with self._called(grad, "calling") as (seed, recorded):
            result = self.model(*inputs)
        if self.trial.sessions is not None:
            self.events.append(Called(given, seed, recorded, again, numbers(result)))
            self._last = inputs
        return result

    def do(self, deed: Callable[..., Any], *arguments: Any, grad: bool | None = None, doing: str = "calling") -> Any:
        """Return what a deed returns: a function of torch alone, of the model and what it is given, that a script shows."""
        given = _copies(arguments)
        with self._called(grad, doing) as (seed, recorded):
            result = deed(self.model, *arguments)
        if self.trial.sessions is not None:
            self.events.append(Did(deed, given, seed, recorded, result))
        return result

    @contextmanager
    def _called(self, grad: bool | None, doing: str) -> Iterator[tuple[int, bool]]:
        """The random state, the dtype and the grad mode of the next call; yields the seed, and whether gradients are recorded."""
        grad, seed = self.case.grad if grad is None else grad, self.case.seed + self.count
        scrub(_COUNTS, self.case.device)
        self.count += 1
        with (
            seeded(seed, self.case.device),
            default_dtype(self.trial.dtype),
            torch.set_grad_enabled(grad),
            subject_boundary(doing),
        ):
            yield seed, grad

    def become(self, trial: "PairTrial") -> None:
        """Take over the weights and states of another case of the same sizes, and its seed."""
        self.trial, self.case, self.count = trial, trial.case, 0
        self.load(trial.weights, trial.states)

    def results(self, key: str) -> dict[str, Tensor]:
        """Copies of what it returns for the inputs of this name."""
        return numbers(self.call(self.trial.inputs(key)))


class PairTrial:
    """A candidate on one case. ``run`` is made once; follow-ups are explicit: ``trial.but(rows=1).run``.

    sessions: where every session is noted, for those who want to write it down
    """

    def __init__(self, subject: Subject, case: PairCase, sessions: list[PairSession] | None = None) -> None:
        self.subject, self.case, self.sessions = subject, case, sessions
        self.pair: Pair = subject.build
        self.reading = self.pair.reading or read_pair(self.pair)
        self.dtype = DTYPES[case.dtype]
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

    @property
    def init(self) -> tuple[list[Any], dict[str, Any]]:
        """The constructor's arguments."""
        return self.pair.init(self.reading.smaller if self.case.small else None)

    def inputs(self, key: str = "input") -> list[Any]:
        """The inputs of this name, in the case's dtype on its device, new tensors each time.

        ``x reversed`` are those of x from the last number to the first: others with the same sum.
        """
        name, _, how = key.partition(" ")
        case, shapes = self.case, self.reading.shapes(self.case.small, self.case.rows, self.case.steps)
        drawn = self.pair.drawn(shapes, name, case.seed, self.reading.below if case.small else None)
        found = cast([value * case.scale if floating(value) else value for value in drawn], self.dtype, case.device)
        return [value.flatten().flip(0).reshape(value.shape) if how and floating(value) else value for value in found]

    @cached_property
    def reference(self) -> nn.Module:
        """A new reference, in float64 on the CPU, as it is made; its numbers are not yet the case's."""
        return built(self.pair.reference.object, self.init, self.case.seed, torch.float64)

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights by the reference's names, float64, rounded to the case's dtype."""
        found = changed(self.reference, self.case.weights, self._steps)
        return {name: self._rounded(value) for name, value in found.items()}

    @cached_property
    def states(self) -> dict[str, Tensor]:
        """What the reference keeps as plain attributes of its modules."""
        return {key: self._rounded(value) for key, _, _, value in kept(self.reference)}

    def _rounded(self, value: Tensor) -> Tensor:
        value = value.detach().clone()
        return value.to(self.dtype).double() if value.is_floating_point() else value

    @property
    def _steps(self) -> int:
        shapes = self.reading.shapes(self.case.small, self.case.rows, self.case.steps)
        return max((shapes[place][axis] for place, axis in self.reading.steps), default=1)  # type: ignore[index]

    def session(self) -> PairSession:
        """A new candidate."""
        return PairSession(self)

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
            self._played(calls, self.weights, self.states)
            raise

    def reference_in_dtype(self) -> "PairSession":
        """A new reference in the case's dtype, called as a candidate is: for what it does, not for its numbers."""
        return PairTrial(replace(self.subject, build=replace(self.pair, candidate=self.pair.reference)), self.case).session()

    def budgets(self, calls: Calls = OWN) -> list[Budget]:
        """What is right for each of the calls."""
        key = (self.pair.reference.object, self.case, calls)
        if key not in _BUDGETS:
            while len(_BUDGETS) >= KEPT:
                _, old = _BUDGETS.popitem(last=False)
                poison([budget.truth for budget in old])
            _BUDGETS[key] = self._budgets(calls)
        return _BUDGETS[key]

    def _budgets(self, calls: Calls) -> list[Budget]:
        own = self._played(calls, self.weights, self.states)
        limits = allowed(own, self._copies(lambda copy, w, s: self._played(calls, w, s, copy)), self.dtype, pooled=False)
        return [Budget(truth, limit) for truth, limit in zip(own, limits, strict=True)]

    def _copies(self, run: Callable[[int, Tensors, Tensors], Sequence[Tensors]]) -> Any:
        """The runs with all data moved, in turn."""
        for copy in range(COPIES):
            weights, states = (moved(part, self.dtype, self.case.seed, copy) for part in (self.weights, self.states))
            with rounding(self.dtype, self.case.seed, copy):
                yield run(copy, weights, states)

    def own_noise(self, calls: Calls) -> list[dict[str, Tensor]]:
        """How far the candidate's own way of computing may be off: measured on it as on the reference, in float64."""
        exact = PairTrial(self.subject, self.case.but(dtype="float64"))

        def play(weights: Tensors, states: Tensors, copy: int | None = None) -> list[dict[str, Tensor]]:
            session = exact.session()
            session.load(weights, states)
            with DrawnAs(self.dtype):
                return [numbers(session.call(self._exact(key, copy), grad=False)) for key in calls]

        own = play(self.weights, self.states)
        return allowed(own, self._copies(lambda copy, w, s: play(w, s, copy)), self.dtype, pooled=False)

    def _played(self, calls: Calls, weights: Tensors, states: Tensors, copy: int | None = None) -> list[dict[str, Tensor]]:
        """What a new reference returns in float64 for these inputs in turn."""
        model, results = self._loaded(weights, states), []
        for number, key in enumerate(calls):
            with torch.no_grad():
                results.append(self._called(model, self._exact(key, copy), number))
        found = [numbers(result) for result in results]
        poison(results)
        _COUNTS.update(value.numel() for run in found for value in run.values())
        return found

    def _loaded(self, weights: Tensors, states: Tensors) -> nn.Module:
        model = built(self.pair.reference.object, self.init, self.case.seed, torch.float64).train(self.case.training)
        load(model, weights, {name: name for name in weights}, states)
        return model

    def _exact(self, key: str, copy: int | None = None) -> list[Any]:
        """The inputs in float64; for a copy of a noise measurement, moved."""
        inputs = cast(self.inputs(key), torch.float64)
        if copy is None:
            return inputs
        named = {f"{key} {place}": value for place, value in enumerate(inputs) if isinstance(value, Tensor)}
        new = moved(named, self.dtype, self.case.seed, copy)
        return [new.get(f"{key} {place}", value) for place, value in enumerate(inputs)]

    def _called(self, model: nn.Module, inputs: Sequence[Any], number: int = 0) -> Any:
        """What the reference returns; raises NotClaimed where it raises."""
        with ExitStack() as stack:
            stack.enter_context(seeded(self.case.seed + number))
            stack.enter_context(default_dtype(torch.float64))
            if self.dtype != torch.float64:
                stack.enter_context(DrawnAs(self.dtype))
            try:
                return model(*inputs)
            except Exception as error:  # then the case says nothing of the candidate
                raise NotClaimed(f"the reference raises {said(error)}") from None

    def gradients(self) -> Gradients:
        """The candidate's gradients by the reference's names; None where there is none."""
        session = self.session()
        names = {name: session.names[name] for name in self._trained}
        found: Gradients = session.do(
            gradients_by_name, self.inputs(), self.cotangents, names, grad=True, doing="calling and differentiating"
        )
        return found

    @cached_property
    def _trained(self) -> tuple[str, ...]:
        return tuple(name for name, p in self.reference.named_parameters() if p.requires_grad)

    @cached_property
    def cotangents(self) -> dict[str, Tensor]:
        """The weights with which results are multiplied before they are differentiated, by path."""
        truth = self._played(OWN, self.weights, self.states)[0]
        poison(truth)
        return {path: self._rounded(torch.randn(value.shape, generator=generator(self.case.seed, path), dtype=torch.float64))
                for path, value in truth.items()}  # fmt: skip

    @cached_property
    def gradient_budget(self) -> Budget:
        """The gradients that the reference has, and how far they may be off."""
        own = self._differentiated(self.weights, self.states)
        limits = allowed([own], self._copies(lambda copy, w, s: [self._differentiated(w, s, copy)]), self.dtype, pooled=True)
        return Budget(own, limits[0])

    def _differentiated(self, weights: Tensors, states: Tensors, copy: int | None = None) -> dict[str, Tensor]:
        model, inputs = self._loaded(weights, states), recording(self._exact("input", copy))
        named = {name: p for name, p in model.named_parameters() if name in self._trained}
        with torch.enable_grad():
            result = self._called(model, inputs)
        found = gradients_of(result, self.cotangents, named, inputs)
        return {name: g for name, g in found.items() if g is not None}


def _copies(given: Any) -> Any:
    """The same with copies of its tensors."""
    if isinstance(given, list | tuple):
        return [_copies(part) for part in given]
    if isinstance(given, Mapping):
        return {name: _copies(part) for name, part in given.items()}
    return given.detach().clone() if isinstance(given, Tensor) else given
