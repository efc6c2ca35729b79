"""Functions that clip gradients by their norm: torch's own, and whatever claims to replace it."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from rnncheck.core.features import CLIP_FEATURES
from rnncheck.core.plain_text import said
from rnncheck.core.subject import Claim, Subject
from rnncheck.running.subject_errors import SubjectError, subject_boundary

OPTIONS = ("norm_type", "error_if_nonfinite", "foreach")
"""The features that are arguments, and that a signature tells."""


def clip_function(
    function: Callable[..., Any],
    name: str,
    *,
    without: tuple[str, ...] = (),
    source: str | None = None,
    reference: Subject | None = None,
) -> Subject:
    """A function (parameters, max_norm, ...) as a subject that claims what its signature offers, except ``without``."""
    declared = {feature: Claim(feature not in without, "declared") for feature in CLIP_FEATURES}
    declared["nested"] = Claim(False, "declared", "not probed")
    claims = declared | {feature: _from_signature(function, feature) for feature in OPTIONS if feature not in without}
    return Subject(name, "clip", function, claims=claims, source=source, reference=reference)


def _from_signature(function: Callable[..., Any], argument: str) -> Claim:
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that does not tell
        return Claim(False, "signature", "the function's arguments cannot be read")
    any_other = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    return Claim(argument in known or any_other, "signature", "" if argument in known else f"no argument {argument}")


def torch_clip() -> Subject:
    """torch.nn.utils.clip_grad_norm_."""
    source = "import torch\nbuild = torch.nn.utils.clip_grad_norm_"
    clip = clip_function(torch.nn.utils.clip_grad_norm_, "torch.nn.utils.clip_grad_norm_", source=source)
    return replace(clip, drop_in=True)


def probed(subject: Subject) -> Subject:
    """The subject with the claims that only a call can tell: generators, a single tensor, lists of lists, the norm returned."""
    calls = {
        "generator": lambda p: (q for q in [p]), "single_tensor": lambda p: p, "returned_norm": lambda p: [p],
        "nested": lambda p: [[p]],
    }  # fmt: skip
    found = {feature: _probe(subject, feature, passed) for feature, passed in calls.items()}
    return replace(subject, claims={**subject.claims, **found})


def _probe(subject: Subject, feature: str, passed: Callable[[torch.nn.Parameter], Any]) -> Claim:
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([3.0, 0.0, 4.0])
    try:
        with subject_boundary("clipping"):
            returned = subject.build(passed(parameter), 1.0)
    except SubjectError as error:  # whatever a subject raises here says that it does not offer this
        return Claim(False, "probed", said(error.cause))
    if feature == "returned_norm" and not isinstance(returned, torch.Tensor | float):
        return Claim(False, "probed", f"returns {type(returned).__name__}")
    if feature == "nested" and parameter.grad.max() == 4.0:
        return Claim(False, "probed", "clips nothing in it")
    return Claim(True, "probed")
