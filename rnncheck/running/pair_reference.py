"""The reference of a pair on one case, in float64: what is right, and how far any number may be from it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from rnncheck.core.case import DTYPES
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import said
from rnncheck.core.subject import NotClaimed
from rnncheck.core.values import generator
from rnncheck.running.measured_noise import COPIES
from rnncheck.running.pair import Pair, built, cast, floating, kept, load
from rnncheck.running.pair_draws import DrawnAs, default_dtype
from rnncheck.running.pair_gradients import gradients_of, recording
from rnncheck.running.pair_noise import allowed, moved, rounding
from rnncheck.running.pair_reading import read_pair
from rnncheck.running.pair_results import Tensors, numbers, poison
from rnncheck.running.pair_weights import changed
from rnncheck.running.subject_errors import seeded

Calls = tuple[str, ...]
"""The inputs of calls that one model gets in turn, by the names under which PairTrial.inputs draws them."""
OWN: Calls = ("input",)
KEPT = 24
"""Budgets that are kept for later properties."""
_BUDGETS: "OrderedDict[Any, list[Budget]]" = OrderedDict()
COUNTS: set[int] = set()
"""How many numbers the results of references have."""


@dataclass(frozen=True)
class Budget:
    """What is right, and how far each number may be from it, by path; float64 on the CPU."""

    truth: Tensors
    allowed: Tensors


class PairReference:
    """The reference of a pair on one case: its arguments, inputs and weights, and what is right for them."""

    def __init__(self, pair: Pair, case: PairCase) -> None:
        self.pair, self.case = pair, case
        self.reading = pair.reading or read_pair(pair)
        self.dtype = DTYPES[case.dtype]

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
        own = self.exact_run(calls, self.weights, self.states)
        limits = allowed(own, self.noisy(lambda copy, w, s: self.exact_run(calls, w, s, copy)), self.dtype, pooled=False)
        return [Budget(truth, limit) for truth, limit in zip(own, limits, strict=True)]

    def noisy(self, run: Callable[[int, Tensors, Tensors], Sequence[Tensors]]) -> Any:
        """The runs with all data moved, in turn."""
        for copy in range(COPIES):
            weights, states = (moved(part, self.dtype, self.case.seed, copy) for part in (self.weights, self.states))
            with rounding(self.dtype, self.case.seed, copy):
                yield run(copy, weights, states)

    def exact_run(self, calls: Calls, weights: Tensors, states: Tensors, copy: int | None = None) -> list[dict[str, Tensor]]:
        """What a new reference returns in float64 for these inputs in turn."""
        model, results = self._loaded(weights, states), []
        for number, key in enumerate(calls):
            with torch.no_grad():
                results.append(self._called(model, self.exact_inputs(key, copy), number))
        found = [numbers(result) for result in results]
        poison(results)
        COUNTS.update(value.numel() for run in found for value in run.values())
        return found

    def _loaded(self, weights: Tensors, states: Tensors) -> nn.Module:
        model = built(self.pair.reference.object, self.init, self.case.seed, torch.float64).train(self.case.training)
        load(model, weights, {name: name for name in weights}, states)
        return model

    def exact_inputs(self, key: str, copy: int | None = None) -> list[Any]:
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

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The names of its parameters that are trained."""
        return tuple(name for name, p in self.reference.named_parameters() if p.requires_grad)

    @cached_property
    def cotangents(self) -> dict[str, Tensor]:
        """The weights with which results are multiplied before they are differentiated, by path."""
        truth = self.exact_run(OWN, self.weights, self.states)[0]
        poison(truth)
        return {path: self._rounded(torch.randn(value.shape, generator=generator(self.case.seed, path), dtype=torch.float64))
                for path, value in truth.items()}  # fmt: skip

    @cached_property
    def gradient_budget(self) -> Budget:
        """The gradients that the reference has, and how far they may be off."""
        own = self._differentiated(self.weights, self.states)
        limits = allowed([own], self.noisy(lambda copy, w, s: [self._differentiated(w, s, copy)]), self.dtype, pooled=True)
        return Budget(own, limits[0])

    def _differentiated(self, weights: Tensors, states: Tensors, copy: int | None = None) -> dict[str, Tensor]:
        model, inputs = self._loaded(weights, states), recording(self.exact_inputs("input", copy))
        named = {name: p for name, p in model.named_parameters() if name in self.trained}
        with torch.enable_grad():
            result = self._called(model, inputs)
        found = gradients_of(result, self.cotangents, named, inputs)
        return {name: g for name, g in found.items() if g is not None}
