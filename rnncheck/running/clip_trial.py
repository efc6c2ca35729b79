"""One clip function on one ClipCase: makes parameters with these gradients, calls it, and reads back what it left."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.clip_case import ClipCase
from rnncheck.core.subject import Malformed, Subject
from rnncheck.core.values import generator
from rnncheck.running.trial import SubjectError, Unimplemented, seeded, subject_boundary

Gradients = Sequence[Tensor | None]


@dataclass(frozen=True)
class Clipped:
    """The gradients before and after the call, None where a parameter has none, and what the function returned."""

    before: Gradients
    after: Gradients
    returned: Any

    def pairs(self) -> Iterable[tuple[str, Tensor, Tensor]]:
        """(what, before, after) of each gradient that there is; raises Malformed where one was taken away."""
        for place, (before, after) in enumerate(zip(self.before, self.after, strict=True)):
            if before is not None:
                if after is None:
                    raise Malformed(f"gradient {place} is None after the call, but should be a tensor")
                yield f"gradient {place}", before, after

    @property
    def norm(self) -> Tensor:
        """The returned norm, without axes; raises Malformed where it is no number."""
        if isinstance(self.returned, Tensor) and self.returned.numel() == 1:
            return self.returned.detach().reshape(())
        if isinstance(self.returned, float | int):
            return torch.tensor(float(self.returned), dtype=torch.float64)
        raise Malformed(f"a {type(self.returned).__name__} returned, but should be the norm")


class ClipTrial:
    """A clip function on one case. ``run`` is made once; follow-ups are explicit: ``trial.but(gradients=...).run``."""

    def __init__(self, subject: Subject, case: ClipCase, gradients: Gradients | None = None) -> None:
        self.subject = subject
        self.case = case
        self.gradients = tuple(case.tensors() if gradients is None else gradients)
        self.twice = tuple(i for i, g in enumerate(case.gradients) if g.twice) if gradients is None else ()
        self._shared: ClipTrial = self

    @property
    def present(self) -> list[Tensor]:
        """The gradients that there are."""
        return [gradient for gradient in self.gradients if gradient is not None]

    def draw(self, name: str, low: int, high: int) -> int:
        """A whole number in [low, high], the same at every replay of the case."""
        return int(torch.randint(low, high + 1, (), generator=generator(self.case.seed, name)))

    def but(self, **changes: Any) -> "ClipTrial":
        """A follow-up: ``gradients`` or ``twice`` (places listed twice) replaced; any other word changes the case.

        No gradients at all are passed as a list: a generator of nothing cannot be told from one that is used up.
        """
        gradients, twice = changes.pop("gradients", None), changes.pop("twice", None)
        nothing = gradients is not None and not gradients
        if nothing or self.case.passed_as == "tensor" and (gradients is not None or twice):
            changes.setdefault("passed_as", "list")
        case = self.case.but(**changes)
        other = ClipTrial(self.subject, case, self.gradients if gradients is None else gradients)
        other.twice = (() if gradients is not None else self.twice) if twice is None else tuple(twice)
        return other

    def by(self, function: Callable[..., Any]) -> "ClipTrial":
        """The same call of another function."""
        return ClipTrial(replace(self.subject, build=function), self.case, self.gradients)

    def fork(self) -> "ClipTrial":
        """The same trial for another property: shares the run."""
        other = ClipTrial(self.subject, self.case, self.gradients)
        other.twice, other._shared = self.twice, self._shared
        return other

    def parameters(self) -> list[torch.nn.Parameter]:
        """New parameters with these gradients."""
        return [_parameter(gradient, self.case.device) for gradient in self.gradients]

    def call(self, parameters: list[torch.nn.Parameter]) -> Any:
        """What the function returns for these parameters, passed as the case says."""
        listed = [p for place, p in enumerate(parameters) for _ in range(1 + (place in self.twice))]
        passed: dict[str, Callable[[], Any]] = {
            "list": lambda: listed,
            "generator": lambda: (p for p in listed),
            "tensor": lambda: listed[0],
            "used_up": lambda: _used_up(p for p in listed),
        }
        return self.call_with(passed[self.case.passed_as]())

    def call_with(self, passed: Any) -> Any:
        """What the function returns where this is passed as the parameters."""
        with seeded(self.case.seed, self.case.device), subject_boundary("clipping"):
            return self.subject.build(passed, self.case.max_norm, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """What is passed by name: what differs from the usual."""
        case = self.case
        options: dict[str, Any] = {"norm_type": case.norm_type} if case.norm_type != 2.0 else {}
        options |= {"error_if_nonfinite": True} if case.error_if_nonfinite else {}
        return options | ({} if case.foreach is None else {"foreach": case.foreach})

    @cached_property
    def run(self) -> Clipped:
        """What the call left behind."""
        if self._shared is not self:
            return self._shared.run
        parameters = self.parameters()
        returned = self.call(parameters)
        return Clipped(self.gradients, [p.grad for p in parameters], returned)

    def refusal(self, parameters: list[torch.nn.Parameter] | None = None) -> str | None:
        """What the function raises on this case, in one line; None where it does not."""
        try:
            self.call(self.parameters() if parameters is None else parameters)
        except Unimplemented:
            raise
        except SubjectError as error:
            return f"{type(error.cause).__name__}: {error.cause}".splitlines()[0]
        return None


def _used_up(parameters: Iterator[torch.nn.Parameter]) -> Iterator[torch.nn.Parameter]:
    list(parameters)
    return parameters


def _parameter(gradient: Tensor | None, device: str) -> torch.nn.Parameter:
    like = torch.ones(3, device=device) if gradient is None else gradient
    parameter = torch.nn.Parameter(torch.ones_like(like))
    parameter.grad = None if gradient is None else gradient.clone()
    return parameter
