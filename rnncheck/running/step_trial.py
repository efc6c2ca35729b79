"""A training step on one StepCase: builds model, optimizer and scaler, calls it, and reads back what it left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import inf
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.case import DTYPES
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Malformed, Subject
from rnncheck.core.values import Values, generator
from rnncheck.running.clip_truth import underflow, unit_roundoff
from rnncheck.running.step_models import Linear, Recurrent, StepModel, make_optimizer
from rnncheck.running.step_truth import StepTruth, step_truth
from rnncheck.running.subject_errors import SubjectError, seeded, subject_boundary

MODELS: Mapping[str, type[StepModel]] = {"linear": Linear, "recurrent": Recurrent}
GROWTH_INTERVAL = 1
"""Steps after which a scaler doubles its scale: it changes at each."""


@dataclass(frozen=True)
class Stepped:
    """One step: parameters, optimizer state and loss scale before and after it, what it returned, and what was right."""

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    state_before: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Mapping[str, Tensor]]
    left: Mapping[str, Tensor]
    scales: tuple[float, float]
    returned: Any
    rates: Mapping[str, float]
    truth: StepTruth
    stale: Mapping[str, Tensor] = field(default_factory=dict)

    def moved(self, name: str) -> Tensor:
        """What SGD applied to a parameter: its change over minus the learning rate, float64 on the CPU."""
        return (self.before[name].double() - self.after[name].double()).cpu() / self.rates[name]

    def stored(self, name: str) -> Tensor:
        """How far a parameter may be off because it is stored, and its change was computed, in its dtype."""
        after, before = (state[name].detach().double().cpu().abs() for state in (self.after, self.before))
        dtype = self.after[name].dtype
        return 2 * unit_roundoff(dtype) * torch.maximum(after, before).nan_to_num(0.0) + underflow(dtype)

    def right(self, name: str) -> tuple[Tensor, Tensor]:
        """Where SGD leads a parameter with the clipped gradient of the whole batch, and how far from there it may be."""
        expected = self.before[name].double().cpu() - self.rates[name] * self.truth.applied(name)
        return expected, self.rates[name] * self.truth.allowed(name) + self.stored(name)

    @property
    def agrees(self) -> bool:
        """Whether every parameter is where SGD leads it, rounding aside."""
        pairs = ((self.after[name].double().cpu(), *self.right(name)) for name in self.truth.gradient)
        return all(bool(((after - expected).abs() <= allowed).all()) for after, expected, allowed in pairs)

    @property
    def norm(self) -> Tensor:
        """The returned norm, without axes; raises Malformed where there is none."""
        found = numbers_in(self.returned)
        if not found:
            raise Malformed(f"a {type(self.returned).__name__} returned, but should be the norm")
        return found[-1]


def numbers_in(returned: Any) -> list[Tensor]:
    """The numbers that a step returned: itself one, a tuple of some, or a dict, of which those that are called norm."""
    if isinstance(returned, Mapping):
        named = [value for key, value in returned.items() if "norm" in str(key)]
        return [number for value in named for number in numbers_in(value)]
    if isinstance(returned, tuple | list):
        return [number for value in returned for number in numbers_in(value)]
    if isinstance(returned, Tensor) and returned.numel() == 1:
        return [returned.detach().reshape(())]
    if isinstance(returned, float | int) and not isinstance(returned, bool):
        return [torch.tensor(float(returned), dtype=torch.float64)]
    return []


@dataclass(frozen=True)
class Call:
    """One call of a step in a session: what it was given, under which mode and surroundings, and what came of it.

    left:    the surroundings as the call leaves them; they are put back then
    stepped: None where it raised ``error``
    """

    batches: Sequence[Tensor]
    training: bool
    around: tuple[bool, torch.dtype, bool]
    left: tuple[bool, torch.dtype, bool] | None = None
    stepped: Stepped | None = None
    seen: Sequence[tuple[bool, bool]] = ()
    training_after: bool = True
    error: BaseException | None = None


def surroundings(kind: str) -> tuple[bool, torch.dtype, bool]:
    """Whether autocast is on for this kind of device, to which dtype, and whether gradients are recorded."""
    return torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind), torch.is_grad_enabled()


class Session:
    """A model with its optimizer and scaler, on which steps are made one after the other; ``calls`` lists them."""

    def __init__(self, trial: "StepTrial") -> None:
        case = trial.case
        self.trial, self.case = trial, case
        self.calls: list[Call] = []
        self.start: dict[str, Tensor] = {}
        if trial.sessions is not None:
            trial.sessions.append(self)
        self.model, self.given = build_model(case), trial.batches
        self.start = self.parameters()
        named = dict(self.model.named_parameters())
        trained = [name for name, p in named.items() if p.requires_grad]
        cut = len(trained) // 2 if case.groups == 2 else len(trained)
        self.groups = [group for group in (trained[:cut], trained[cut:]) if group]
        self.rates = {name: rate for group, rate in zip(self.groups, (0.5, 0.25), strict=False) for name in group}
        self.optimizer = make_optimizer(case.optimizer, case.kernels, [[named[n] for n in group] for group in self.groups])
        self.scaler = None if case.scale is None else torch.amp.GradScaler(
            case.device.partition(":")[0], init_scale=case.scale, growth_interval=GROWTH_INTERVAL
        )  # fmt: skip

    def step(self, batches: Sequence[Tensor] | None = None, truth: StepTruth | None = None) -> Stepped:
        """One step on these micro-batches, the case's by default."""
        self.given = given = self.trial.batches if batches is None else list(batches)
        truth = truth or step_truth(self.model, given, self.trial.max_norm, self.case.seed)
        before, state_before, scale = self.parameters(), self.state(), self._scale()
        stale = self.gradients()
        self.model.seen.clear()
        kind = self.case.device.partition(":")[0]
        call = Call(given, self.model.training, surroundings(kind))
        try:
            with seeded(self.case.seed, self.case.device), subject_boundary("making a step"):
                returned = self.trial.subject.build(
                    model=self.model, batches=[batch.clone() for batch in given], optimizer=self.optimizer,
                    max_norm=self.trial.max_norm, scaler=self.scaler, loss=loss,
                )  # fmt: skip
        except SubjectError as error:
            self.calls.append(replace(call, error=error.cause))
            raise
        finally:
            call = replace(call, left=surroundings(kind))
            _put_back(kind, call.around)
        made = Stepped(before, self.parameters(), state_before, self.state(), self.gradients(), (scale, self._scale()), returned,
                       self.rates, truth, stale)  # fmt: skip
        self.calls.append(replace(call, stepped=made, seen=tuple(self.model.seen), training_after=self.model.training))
        return made

    def parameters(self) -> dict[str, Tensor]:
        """Copies of the model's parameters."""
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def gradients(self) -> dict[str, Tensor]:
        """Copies of the gradients that there are."""
        return {name: p.grad.detach().clone() for name, p in self.model.named_parameters() if p.grad is not None}

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Copies of what the optimizer keeps of each parameter."""
        names: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        return {
            names[p]: {key: torch.as_tensor(value).detach().clone() for key, value in kept.items() if value is not None}
            for p, kept in self.optimizer.state.items()
        }

    def _scale(self) -> float:
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())


def _put_back(kind: str, was: tuple[bool, torch.dtype, bool]) -> None:
    torch.set_autocast_enabled(kind, was[0])
    torch.set_autocast_dtype(kind, was[1])
    torch.set_grad_enabled(was[2])


def loss(model: torch.nn.Module, batch: Tensor) -> Tensor:
    """The loss of a micro-batch, for a step that takes one."""
    result: Tensor = model(batch)
    return result


def build_model(case: StepCase) -> StepModel:
    """The case's model, its parameters drawn."""
    model = MODELS[case.model](case.reduction).to(DTYPES[case.dtype]).to(case.device)
    with torch.no_grad():
        for number, (name, p) in enumerate(model.named_parameters()):
            p.copy_(Values().tensor(tuple(p.shape), case.seed, name) * 0.75)
            p.requires_grad_(number > 0 or not case.frozen)
    return model


NO_MATTER: Mapping[str, Any] = {"bound": inf, "optimizer": "SGD", "kernels": "loop", "scale": None, "groups": 1}
"""Fields of a case on which the gradient of the whole batch does not depend."""


@lru_cache(maxsize=64)
def unclipped_truth(case: StepCase) -> StepTruth:
    """The gradient of the first step of a case, which many properties and cases share, without a bound."""
    trial = StepTrial(Subject("none", "step", None), case)
    return step_truth(build_model(case), trial.batches, inf, case.seed)


class StepTrial:
    """A step on one case. ``run`` is made once; follow-ups are explicit: ``trial.but(sizes=...).run``.

    sessions: where every session is noted, for those who want to write it down
    """

    def __init__(self, subject: Subject, case: StepCase, sessions: list[Session] | None = None) -> None:
        self.subject, self.case, self.sessions = subject, case, sessions
        self._shared: StepTrial = self

    def but(self, **changes: Any) -> "StepTrial":
        """A follow-up: the words change the case."""
        return StepTrial(self.subject, self.case.but(**changes), self.sessions)

    def fork(self) -> "StepTrial":
        """The same trial for another property: shares the run."""
        other = StepTrial(self.subject, self.case)
        other._shared = self._shared
        return other

    @cached_property
    def rows(self) -> Tensor:
        """The whole batch, of any row of which some gradient comes."""
        case = self.case
        if case.model == "linear":
            x = Values().tensor((case.rows, 5), case.seed, "rows")
            return (x * torch.tensor([1.0, 1.0, 1.0, 2.0, 2.0])).to(DTYPES[case.dtype]).to(case.device)
        return torch.randint(0, 5, (case.rows, 4), generator=generator(case.seed, "rows")).to(case.device)

    @property
    def batches(self) -> list[Tensor]:
        """The micro-batches."""
        return list(self.rows.split(list(self.case.sizes)))

    @cached_property
    def max_norm(self) -> float:
        """The bound that the step is called with."""
        if self.case.bound == inf:
            return inf
        return self.case.bound * self._unclipped.norm

    @cached_property
    def truth(self) -> StepTruth:
        """What the first step has to apply."""
        return replace(self._unclipped, max_norm=self.max_norm)

    @property
    def _unclipped(self) -> StepTruth:
        return unclipped_truth(self.case.but(**NO_MATTER))

    def session(self) -> Session:
        """A new model, with a new optimizer and a new scaler."""
        return Session(self)

    def first(self) -> Stepped:
        """The first step of a new session."""
        return self.session().step(truth=self.truth)

    @cached_property
    def run(self) -> Stepped:
        """The case's own step."""
        return self._shared.run if self._shared is not self else self.first()

    def steps(self, count: int) -> list[Stepped]:
        """Steps of one session, each on other micro-batches of the same sizes."""
        session = self.session()
        return [session.step(self.but(seed=self.case.seed + number).batches if number else None) for number in range(count)]
