"""One clip function on one ClipCase: makes parameters with these gradients, calls it, and reads back what it left."""

from collections.abc import Callable, Iterable, Sequence
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
Clip = Callable[[Any], Any]
"""A clip function of the parameters alone: all else that it is given is as a case says."""


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
        other = type(self)(self.subject, case, self.gradients if gradients is None else gradients)
        other.twice = (() if gradients is not None else self.twice) if twice is None else tuple(twice)
        return other

    def by(self, function: Callable[..., Any]) -> "ClipTrial":
        """The same call of another function."""
        return ClipTrial(replace(self.subject, build=function), self.case, self.gradients)

    def fork(self) -> "ClipTrial":
        """The same trial for another property: shares the run."""
        other = type(self)(self.subject, self.case, self.gradients)
        other.twice, other._shared = self.twice, self._shared
        return other

    def do(self, deed: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a deed returns: a function of torch and Python alone, at the top of a module, so that a script can show it.

        Its first argument is the clip function, to which it passes parameters; all else is passed as the case says.
        """
        with seeded(self.case.seed, self.case.device), subject_boundary("clipping"):
            return deed(self.clip, *arguments)

    def noted(self, deed: Callable[..., Any], *arguments: Any, result: Any) -> None:
        """Say what a deed would have returned that was done in another way: where processes are watched."""

    def clip(self, parameters: Any) -> Any:
        """What the function returns for these parameters, passed as the case says."""
        how: dict[str, Callable[[], Any]] = {
            "list": lambda: parameters,
            "generator": lambda: (p for p in parameters),
            "tensor": lambda: parameters[0],
            "used_up": lambda: (p for p in parameters[:0]),
        }
        return self.subject.build(how[self.case.passed_as](), self.case.max_norm, **self.options)

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
        given = tuple(None if g is None else g.clone() for g in self.gradients)
        done = self.do(clipped, given, self.twice)
        return Clipped(self.gradients, done["gradients"], done["returned"])

    def refusal(self) -> str | None:
        """What the function raises on this case, in one line; None where it does not."""
        try:
            _ = self.run
        except Unimplemented:
            raise
        except SubjectError as error:
            return f"{type(error.cause).__name__}: {error.cause}".splitlines()[0]
        return None


def clipped(clip: Clip, gradients: Gradients, twice: Sequence[int] = ()) -> dict[str, Any]:
    """Return the gradients after a call, and what it returned; the parameters at the places in ``twice`` are listed twice."""
    parameters = with_gradients(gradients)
    returned = clip([p for place, p in enumerate(parameters) for _ in range(1 + (place in twice))])
    return {"gradients": [p.grad for p in parameters], "returned": returned}


def with_gradients(gradients: Gradients) -> list[torch.nn.Parameter]:
    """Return a parameter of ones for each of these gradients, which it is given as they are; None is none."""
    device = next((g.device for g in gradients if g is not None), "cpu")
    like = [torch.ones(3, device=device) if g is None else g for g in gradients]
    parameters = [torch.nn.Parameter(torch.ones(one.shape, dtype=one.dtype, device=one.device)) for one in like]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return parameters
