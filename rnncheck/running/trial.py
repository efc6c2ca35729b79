"""One Subject built for one Case: lays the case's tensors out as the subject wants them, runs it, and reads it back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnncheck import oracle
from rnncheck.core.case import DTYPES, Case
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation, both
from rnncheck.core.run import Run
from rnncheck.core.subject import Layer, NotClaimed, Subject
from rnncheck.running.backward import RESULTS, as_leaves, backward_of, named_arguments, named_results
from rnncheck.running.factorizing import factorizing
from rnncheck.running.given import Given, Tensors
from rnncheck.running.layout import as_arguments, as_run, lay_out
from rnncheck.running.measured_noise import least_budget
from rnncheck.running.same_start import FirstNumbers, begin_alike, move_what_hides, take_over
from rnncheck.running.subject_errors import NotReached, SubjectError, Unimplemented, seeded, subject_boundary
from rnncheck.running.tolerance import Unmeasurable, budget_of, gradient_budget_of, rounding_for_case, truth_of

__all__ = [
    "NotReached", "SubjectError", "Tensors", "Trial", "Unimplemented", "Unmeasurable", "lay_out", "seeded", "subject_boundary",
]  # fmt: skip

HERE = ("here", "in the case's own run")
"""Where the numbers of a follow-up and those that it is compared with are from, in words."""


class Trial(Given):
    """The subject on one case. ``run`` is made once; follow-ups are explicit: ``trial.but(x=...).run``.

    ``run`` comes from a layer of its own, so that every property may share it. ``layer`` is this trial's (that is, one
    property's) layer; follow-up trials use the same one as long as configuration and parameters stay, so what a layer
    carries from call to call shows, and what one property does cannot disturb another.
    """

    def __init__(self, subject: Subject, case: Case, tensors: Tensors | None = None) -> None:
        self.subject = subject
        self.case = case
        self.config = case.config
        self.tensors = tensors or Tensors(
            case.input_tensor(), case.initial_state(), case.parameters() if subject.offers("load") else {}, case.lengths
        )
        self._case_of: Trial = self  # the case's own trial, whatever forks and follow-ups have made of it
        self._run_of: Trial = self  # whose run and budget it shares
        self._layer_of: Trial = self  # whose layer it uses
        self._first_numbers: FirstNumbers = {}  # of the layers of this case, whichever property builds them

    # follow-ups ------------------------------------------------------------------------------------------------------

    def but(self, **changes: Any) -> "Trial":
        """A follow-up: x, state, parameters or lengths replaced by tensors; any other word changes the Case.

        ``state=None`` leaves hx out. The tensors that are not named stay, also when the case changes. Where the subject
        does not offer the follow-up, running it raises NotClaimed.
        """
        tensors = {name: changes.pop(name) for name in list(changes) if name in Tensors.__dataclass_fields__}
        new = replace(self.tensors, **tensors)
        time, rows = new.x.shape[:2]
        batch = None if self.case.batch is None and rows == 1 else rows
        fields = {"time": time, "batch": batch, "lengths": new.lengths, **changes}
        if new.state is None or self.case.hx == "none":
            fields.setdefault("hx", "none" if new.state is None else "random")
        other = type(self)(self.subject, self.case.but(**fields), new)
        other._case_of = self._case_of
        same_layer = other.config == self.config and new.parameters is self.tensors.parameters
        if same_layer and other.case.training == self.case.training and other.case.dtype == self.case.dtype:
            other._layer_of = self._layer_of
        return other

    def to(self, dtype: str | None = None, device: str | None = None) -> "Trial":
        """The follow-up with the same numbers in another dtype, or on another device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, dtype=DTYPES[dtype] if dtype and tensor.is_floating_point() else None)

        said = {name: value for name, value in (("dtype", dtype), ("device", device)) if value is not None}
        parameters = {name: moved(parameter) for name, parameter in self.parameters.items()}
        return self.but(x=moved(self.x), state=self.map_state(moved), parameters=parameters, **said)

    def fork(self) -> "Trial":
        """The same trial for another property: shares the run and the budget, not the layer."""
        other = type(self)(self.subject, self.case, self.tensors)
        other._case_of, other._run_of = self._case_of, self._run_of
        return other

    # running ---------------------------------------------------------------------------------------------------------

    @cached_property
    def layer(self) -> Layer:
        """This trial's layer, built, loaded, and in the case's mode."""
        return self._layer_of.layer if self._layer_of is not self else self.build()

    def build(self) -> Layer:
        """A new layer for this case, with the case's parameters."""
        self._stay_within_claims()
        with seeded(self.case.seed, self.case.device), subject_boundary("building", self._otherwise):
            layer = self._built()
            if self.subject.offers("load"):
                layer.load(self.parameters)
            else:
                begin_alike(layer, self._built, self._case_of._first_numbers)
                move_what_hides(layer, self.like)
                take_over(layer, self.parameters)
            layer.train(self.case.training)
        return layer

    def anew(self, config: Config | None = None, another_seed: int = 0) -> Layer:
        """A new layer as its constructor leaves it, of this configuration or another, from a seed of the case."""
        with subject_boundary("building", "" if config is None else str(config)):
            return self._built(config, another_seed)

    def _built(self, config: Config | None = None, another_seed: int = 0) -> Layer:
        with seeded(self.case.seed + another_seed, self.case.device):
            return self.subject.build(config or self.config, self.case.torch_dtype, torch.device(self.case.device))

    @property
    def _otherwise(self) -> str:
        """This trial's configuration, where it is not the case's."""
        return "" if self.config == self._case_of.config else str(self.config)

    @property
    def _follow_up(self) -> bool:
        """Whether it has another input, state, configuration or parameters than the case."""
        return self._run_of is not self._case_of

    def _stay_within_claims(self) -> None:
        """Raises NotClaimed where a follow-up asks for what the subject does not offer."""
        refusal = self.subject.refuses(self.case) if self._follow_up else None
        if refusal is not None:
            raise NotClaimed(refusal)

    @cached_property
    def returned(self) -> tuple[Any, tuple[Tensor, ...]]:
        """What the subject itself returns for this case, in its own layout."""
        if self._run_of is not self:
            return self._run_of.returned
        with seeded(self.case.seed, self.case.device):
            return self.call_on(self.layer if self._follow_up else self.build())

    @cached_property
    def run(self) -> Run:
        """What the subject returns for this case, read back into (time, batch, features)."""
        return self._run_of.run if self._run_of is not self else self.read(*self.returned).map(Tensor.detach)

    def run_on(self, layer: Layer, what: str = "") -> Run:
        """A run of a layer that the property holds itself (again, or after something was done to it)."""
        return self.read(*self.call_on(layer, what=what)).map(Tensor.detach)

    def call_on(
        self,
        layer: Layer,
        x: Tensor | None = None,
        state: tuple[Tensor, ...] | None = None,
        what: str = "",
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """What the subject itself returns, in its own layout; x and state default to the trial's.

        what: which layer it is, in the words of an error; the configuration, if it is not the case's, unless said
        """
        self._stay_within_claims()
        given = (self.x if x is None else x, self.state if state is None else state)
        arguments, enabled = self.lay_out(*given), self.case.training or torch.is_grad_enabled() and x is not None
        with factorizing(given), subject_boundary("calling", what or self._otherwise), torch.set_grad_enabled(enabled):
            return layer(*arguments)

    def lay_out(self, x: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...] | None]:
        """The subject's own layout: batch_first, packed, unbatched, and the case's memory layout. Differentiable."""
        return as_arguments(self.case, x, state, self.lengths, flat_states=self.subject.flat_states)

    def read(self, output: Any, state: tuple[Tensor, ...]) -> Run:
        """The inverse of lay_out for what came back; raises Malformed where that is not what the contract says."""
        packed, flat = self.lengths is not None, self.subject.flat_states
        stateless = self.subject.stateless
        return as_run(self.case, self.time, self.batch, output, state, packed=packed, flat_states=flat, stateless=stateless)

    def do(self, deed: Callable[..., Any], *arguments: Any, doing: str = "calling", what: str = "") -> Any:
        """Return what a deed returns: a function of torch and Python alone, at the top of a module, so that a script can show it.

        arguments: layers, what the case gives them in their own layout, and plain values; what comes back are tensors, plain
                   values, layers, and dicts and lists of these. Gradients are enabled as in the case's own run.
        """
        self._stay_within_claims()
        usual = self.case.training and not torch.is_inference_mode_enabled()
        with subject_boundary(doing, what or self._otherwise), torch.set_grad_enabled(usual):
            return deed(*arguments)

    def look(self, deed: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a deed returns that changes nothing: a script has it only where it shows what comes back."""
        return self.do(deed, *arguments)

    def in_turn(self, names: Sequence[str]) -> Sequence[str]:
        """Return what is done in turn; a script leaves out those without which the same goes wrong."""
        return names

    @property
    def arguments(self) -> tuple[Any, tuple[Tensor, ...] | None]:
        """Input and hx in the subject's own layout, made anew each time: they share memory with nothing."""
        return self.lay_out(self.x.clone(), self.map_state(Tensor.clone))

    @property
    def leaves(self) -> tuple[Any, tuple[Tensor, ...] | None]:
        """Input and hx as ``arguments``, for a call that is differentiated: no two elements share memory."""
        return self.lay_out(*as_leaves(self.x.clone(), self.state))

    def gradients(self, cotangents: Run, layer: Layer | None = None, names: tuple[str, ...] = RESULTS) -> dict[str, Tensor | None]:
        """d(sum of output * cotangent, over all parts) by "input", "h_0", "c_0" and each parameter's name.

        None where nothing flows. Runs in the case's train/eval mode, with gradients enabled either way.

        names: the parts that the loss is of; it does not look at the others
        """
        given = (layer or self.layer, *self.leaves, self.as_returned(cotangents, names))
        return self.gradients_of(self.do(backward_of, *given, doing="running backward"))

    def as_returned(self, run: Run, names: tuple[str, ...] = RESULTS) -> dict[str, Tensor]:
        """These parts of a run by name, as the subject itself returns them, a packed output's data."""
        states = {name: part for name, part in run.parts() if name != "output" and not self.subject.stateless}
        output, state = self.lay_out(run.output, tuple(states.values()) or None)
        return {name: part for name, part in named_results((output, state or ())).items() if name in names}

    def read_results(self, results: Mapping[str, Tensor]) -> Run:
        """The inverse of as_returned."""
        x, _ = self.arguments
        output, *state = results.values()
        return self.read(PackedSequence(output, *x[1:]) if self.lengths is not None else output, tuple(state))

    def gradients_of(self, found: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
        """Gradients of ``leaves``, in the subject's own layout, as (time, batch, features); the parameters' as they are."""
        with torch.enable_grad():
            x, state = as_leaves(self.x, self.state)
            leaves, own = named_arguments(x, state), named_arguments(*self.lay_out(x, state))
        flowing = {name: g for name, g in found.items() if name in own and g is not None}
        return {**found, **{name: torch.autograd.grad(own[name], leaves[name], g)[0] for name, g in flowing.items()}}

    def cotangents(self) -> Run:
        """Generic, fixed weights for each element of the result; none on what lies after a sequence's end."""
        return Run(*(self.like(part, f"cotangent of {name}") for name, part in self.run.parts()))

    # what is allowed -------------------------------------------------------------------------------------------------

    @cached_property
    def budget(self) -> oracle.Budget:
        """Return the truth and the allowed error of this very case (docs/oracle.md)."""
        return self._run_of.budget if self._run_of is not self else budget_of(self)

    @cached_property
    def truth(self) -> Run:
        """The truth of this very case alone, where what is allowed is not asked; needs parameters that can be set."""
        return truth_of(self)

    def gradient_budget(self, cotangents: Run | None = None) -> oracle.GradientBudget:
        """Truth and allowed error of ``gradients(cotangents)``; of the trial's own cotangents it is computed once."""
        return self._own_gradient_budget if cotangents is None else gradient_budget_of(self, cotangents)

    @cached_property
    def _own_gradient_budget(self) -> oracle.GradientBudget:
        return gradient_budget_of(self, self.cotangents()) if self._run_of is self else self._run_of._own_gradient_budget

    @property
    def rounding(self) -> oracle.Rounding:
        """How the subject is expected to round in this case."""
        return rounding_for_case(self.case)

    @property
    def right(self) -> tuple[Run, Run] | None:
        """The truth of the case's run and how far one run may be from it; None where the equations or a mask are not known."""
        known = self.subject.offers("load") and not self.case.dropout_active
        return (self.budget.truth, self.budget.allowed) if known else None

    def is_true(self, prefix: str = "") -> Observation:
        """The case's own run is the truth, within what is allowed; where the truth is not known, nothing is compared with it."""
        run = self.run
        return both(run, self.budget.truth, self.budget.allowed, prefix) if self.subject.offers("load") else Observation()

    def same(self, follow_up: Run, prefix: str = "", sides: tuple[str, str] = HERE, other: Run | None = None) -> Observation:
        """A follow-up, brought back into the layout of the case, agrees with another, or else with the case's own run.

        Both may round differently, so twice the budget of the case is allowed. ``sides`` says in words what the two are.
        The budget costs more than the run, and is not asked for where the two are the same bit for bit, or less suffices.
        """
        expected = other or self.run
        seen = both(follow_up, expected, 0.0, prefix, sides)
        if seen.same_bits:
            return seen
        enough = None if self.subject.offers("load") else both(follow_up, expected, least_budget(self).twice, prefix, sides)
        return enough if enough and enough.holds else both(follow_up, expected, self.budget.twice, prefix, sides, self.right)

    def identical(self, run: Run, other: Run, prefix: str = "", sides: tuple[str, str] = HERE) -> Observation:
        """Two runs of the case are the same bit for bit; which of them is right is asked where they are not."""
        seen = both(run, other, 0.0, prefix, sides)
        return seen if seen.holds else both(run, other, 0.0, prefix, sides, self.right)
