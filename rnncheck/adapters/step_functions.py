"""Functions that perform an optimizer's step: which argument is what is read off the signature."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch

from rnncheck.adapters.probing.declared_claims import declared_claims
from rnncheck.core.features import STEP_FEATURES
from rnncheck.core.plain_text import said
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError
from rnncheck.running.step_trial import StepTrial, numbers_in
from rnncheck.running.subject_errors import SubjectError

FORM = "step(model, batches, optimizer, max_norm, scaler=None)"
ROLES: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "net", "network", "module", "lm", "rnn"),
    "batches": ("batches", "micro_batches", "microbatches", "minibatches", "mini_batches", "data", "loader", "dataloader"),
    "optimizer": ("optimizer", "optim", "opt", "optimiser"),
    "max_norm": ("max_norm", "max_grad_norm", "clip_norm", "grad_clip", "clip", "gradient_clip_val", "clip_value"),
    "scaler": ("scaler", "grad_scaler", "gradscaler", "amp_scaler"),
    "loss": ("loss", "loss_fn", "loss_function", "loss_func", "criterion", "compute_loss"),
}
"""What a step takes, ours first, and what else it is called."""
SINGLE = ("batch", "minibatch", "mini_batch", "micro_batch", "inputs", "x")
"""What a step calls the one batch that it takes instead of several."""
REQUIRED = ("model", "batches", "optimizer", "max_norm")
PROBED = StepCase(sizes=(3,), bound=0.25)


@dataclass(frozen=True)
class StepFunction:
    """A step that is called by roles: ``step(model=..., batches=..., optimizer=..., max_norm=..., scaler=None, loss=...)``.

    names:  role -> the name of the argument
    single: whether it takes one batch instead of several
    needs_scaler: whether its scaler has no default; then it is given one that is not enabled
    """

    function: Callable[..., Any]
    names: Mapping[str, str]
    single: bool
    needs_scaler: bool

    def __call__(self, **given: Any) -> Any:
        """The step's result; what it does not take is left out."""
        signature = inspect.signature(self.function)
        bound = inspect.BoundArguments(signature, self.arguments(given))  # type: ignore[arg-type]
        return self.function(*bound.args, **bound.kwargs)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name, in the order of the signature."""
        values = dict(given)
        if self.single:
            (values["batches"],) = values["batches"]
        if values.get("scaler") is None:
            values["scaler"] = torch.amp.GradScaler("cpu", enabled=False) if self.needs_scaler else None
        named = {self.names[role]: value for role, value in values.items() if role in self.names}
        if "scaler" in self.names and values["scaler"] is None:
            del named[self.names["scaler"]]
        return {name: named[name] for name in inspect.signature(self.function).parameters if name in named}


def step_function(
    function: Callable[..., Any], name: str, *, source: str | None = None, reference: Subject | None = None
) -> Subject:
    """A training step as a subject; raises UsageError where its signature fits no form."""
    import_module("torch._dynamo")  # an optimizer does at its first step: once here, and not in each worker
    step = read_step(function, name)
    claims = _claims(step) | declared_claims(function, name)
    if claims["sum_losses"].offered:
        claims["mean_losses"] = Claim(False, "declared", "its losses are sums")
    signature = inspect.signature(function)
    words = f"training step, step{signature.replace(return_annotation=signature.empty)}"
    return Subject(name, "step", step, claims=claims, source=source, reference=reference, read_as=_short(words))


def _short(words: str) -> str:
    return words if len(words) <= 110 else "training step"


def read_step(function: Callable[..., Any], name: str) -> StepFunction:
    """The step with the role of each of its arguments, told by their names, else by their places."""
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise UsageError(f"{name}: its arguments cannot be read, but should be those of {FORM}") from None
    named = {role: found for role, words in ROLES.items() if (found := next((w for w in words if w in known), None))}
    single = next((word for word in SINGLE if word in known), None) if "batches" not in named else None
    if single:
        named["batches"] = single
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    left = [p.name for p in known.values() if p.name not in named.values() and p.default is p.empty and p.kind not in variadic]
    missing = [role for role in REQUIRED if role not in named]
    if len(left) != len(missing):
        raise UsageError(f"{name}: takes ({', '.join(known)}), but should take what {FORM} takes: {_wrong(left, missing)}")
    named |= dict(zip(missing, left, strict=True))
    scaler = known.get(named.get("scaler", ""))
    return StepFunction(function, named, single is not None, scaler is not None and scaler.default is scaler.empty)


def _wrong(left: list[str], missing: list[str]) -> str:
    told = [f"no {role} in it" for role in missing] if len(missing) > len(left) else [f"{word} has no default" for word in left]
    return f"{', '.join(told)}; wrap it in a function that takes these, and batch for one batch, or loss(model, batch), if it wants"


def is_step(function: Callable[..., Any]) -> bool:
    """Whether a function takes an optimizer, by its name."""
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return any(word in known for word in ROLES["optimizer"])


def _claims(step: StepFunction) -> dict[str, Claim]:
    """What the signature says; losses are means, and may be of batches of unequal sizes, unless it is declared otherwise."""
    one = f"it takes one batch ({step.names['batches']})" if step.single else ""
    claims = dict.fromkeys(STEP_FEATURES, Claim(True, "signature"))
    return claims | {
        "accumulation": Claim(not step.single, "signature", one),
        "unequal": Claim(not step.single, "signature", one),
        "scaler": Claim("scaler" in step.names, "signature", "" if "scaler" in step.names else "no argument scaler"),
        "sum_losses": Claim(False, "declared", 'rnncheck_claims = {"sum_losses": True} says that they are'),
    }


def probed_step(subject: Subject) -> Subject:
    """The subject with the claim that only a call can tell: whether a norm is returned, and not the loss."""
    if "step_norm" in getattr(subject.build.function, "rnncheck_claims", {}):
        return subject
    reduction = "mean" if subject.offers("mean_losses") else "sum"
    return replace(subject, claims={**subject.claims, "step_norm": _returns_norm(subject, PROBED.but(reduction=reduction))})


def _returns_norm(subject: Subject, case: Any) -> Claim:
    """Its last number is a norm unless it is one of the losses."""
    trial = StepTrial(subject, case)
    session = trial.session()
    with torch.no_grad():
        losses = [float(session.model(trial.rows))]
    try:
        returned = session.step().returned
    except SubjectError as error:  # whatever a subject raises here says that it does not offer this
        return Claim(False, "probed", said(error.cause))
    found = numbers_in(returned)
    if not found:
        return Claim(False, "probed", f"returns {type(returned).__name__}")
    with torch.no_grad():
        losses.append(float(session.model(trial.rows)))
    if any(abs(float(found[-1]) - loss) <= 1e-4 * abs(loss) for loss in losses):
        return Claim(False, "probed", "returns the loss")
    return Claim(True, "probed")
