"""A script that makes the steps of a training step that the property made, and compares one number with what is right."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.property import Property
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Malformed, Subject
from rnncheck.repro.calls import watch
from rnncheck.repro.correct_subject import right_subject
from rnncheck.repro.literal import literal
from rnncheck.running.step_models import StepModel, make_optimizer
from rnncheck.running.step_trial import GROWTH_INTERVAL, Call, Session, StepTrial, surroundings
from rnncheck.running.trial import seeded

_LOSS = '''def loss(model, batch):
    return model(batch)


def last_number(returned):
    """The last number that a step returned; of a dict, what is called norm."""
    if isinstance(returned, dict):
        returned = [value for key, value in returned.items() if "norm" in str(key)]
    return last_number(returned[-1]) if isinstance(returned, (list, tuple)) else float(returned)


'''
NOTICEABLE = 1e-9
"""A relative difference that is no rounding; the largest is taken, and those that properties allow are far smaller."""


@dataclass(frozen=True)
class Wrong:
    """A number that is not what a right step gives: of which call of which session, by which expression."""

    session: Session
    call: int
    expression: str
    actual: float
    expected: float

    @property
    def size(self) -> float:
        """How far off it is, relative to its size."""
        off = abs(self.actual - self.expected) / max(abs(self.expected), 1e-3)
        return off if isfinite(off) else inf


def step_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None where the case is no training step's, or no number shows what is wrong."""
    if not isinstance(case, StepCase):
        return None
    sessions, raised = _recorded(subject, prop, case)
    if raised is not None:
        session = sessions[-1] if sessions and sessions[-1].calls else None
        return None if session is None else "\n".join([*_head(session), *_calls(session, len(session.calls)), ""])
    right, _ = _recorded(right_subject(subject, case), prop, case)
    wrong = max(_differences(sessions, right), key=lambda found: found.size, default=None)
    if wrong is None or wrong.size < NOTICEABLE:
        return None
    return "\n".join([*_head(wrong.session), *_calls(wrong.session, wrong.call + 1), *_last(wrong), ""])


def first_step(subject: Subject, case: StepCase) -> list[str]:
    """The lines of a case's first step, which is not made for them."""
    session = StepTrial(subject, case).session()
    return [
        *_head(session),
        *_call(session, Call(session.given, training=True, around=surroundings(case.device.partition(":")[0]))),
    ]


def _recorded(subject: Subject, prop: Property, case: StepCase) -> tuple[list[Session], BaseException | None]:
    sessions: list[Session] = []
    with seeded(case.seed, case.device):
        _, raised = watch(prop, StepTrial(subject, case, sessions))
    return sessions, None if isinstance(raised, Malformed) else raised


def _differences(sessions: list[Session], right: list[Session]) -> Iterator[Wrong]:
    """Everything that came out otherwise than with a right step, at the first call of each session that shows it."""
    for session, other in zip(sessions, right, strict=False):
        for place, (call, good) in enumerate(zip(session.calls, other.calls, strict=False)):
            values, expected = _values(call), _values(good)
            shared = [(text, value, expected[text]) for text, value in values.items() if text in expected]
            shared += [(text, value, -1.0) for text, value in values.items() if text not in expected and "state" not in text]
            found = [Wrong(session, place, text, value, other_value) for text, value, other_value in shared]
            off = [one for one in found if one.actual != one.expected and one.size >= 1e-5]
            yield from off
            if off:
                break


def _values(call: Call) -> dict[str, float]:
    """The numbers that came of a call, by the expression that a script has for each."""
    stepped = call.stepped
    if stepped is None:
        return {}
    found: dict[str, float] = {}
    for name, value in stepped.after.items():
        found |= _numbers(f"model.get_parameter({name!r})", value)
    for name, kept in stepped.state.items():
        for key, value in kept.items():
            found |= _numbers(f"optimizer.state[model.get_parameter({name!r})][{key!r}]", value)
    found["scaler.get_scale() if scaler else 1.0"] = stepped.scales[1]
    found |= {f"model.seen[{number}][{i}]": float(one) for number, seen in enumerate(call.seen) for i, one in enumerate(seen)}
    if call.left is not None and not call.around[0]:  # a with statement would hide it
        found[f"torch.is_autocast_enabled({call.batches[0].device.type!r})"] = float(call.left[0])
        found["torch.is_grad_enabled()"] = float(call.left[2])
    found["model.training"] = float(call.training_after)
    try:
        found["last_number(returned)"] = float(stepped.norm)
    except Malformed:  # it returns no number
        return found
    return found


def _numbers(text: str, values: Tensor) -> dict[str, float]:
    places = [tuple(at) for at in torch.ones(values.shape).nonzero().tolist()] if values.dim() else [()]
    return {f"{text}[{', '.join(map(str, at))}]" if at else text: values[at].item() for at in places}


def _head(session: Session) -> list[str]:
    """The model's class, the optimizer, the model as it was."""
    case, model = session.case, session.model
    texts = [inspect.getsource(one) for one in (StepModel, type(model), make_optimizer)]
    groups = [f"[{', '.join(f'model.get_parameter({name!r})' for name in group)}]" for group in session.groups]
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    kind = case.device.partition(":")[0]
    scale = f"torch.amp.GradScaler({kind!r}, init_scale={case.scale!r}, growth_interval={GROWTH_INTERVAL})"
    return [
        "\n\n".join([*texts, _LOSS]).replace("\n\n\n\n", "\n\n\n"),
        f"model = {type(model).__name__}({case.reduction!r}).to(torch.{case.dtype}).to({case.device!r})",
        f"model.load_state_dict({{{', '.join(f'{name!r}: {literal(value)}' for name, value in session.start.items())}}})",
        *(f"model.get_parameter({name!r}).requires_grad_(False)" for name in frozen),
        f"optimizer = make_optimizer({case.optimizer!r}, {case.kernels!r}, [{', '.join(groups)}])",
        f"scaler = {'None' if case.scale is None else scale}",
    ]


def _calls(session: Session, count: int) -> list[str]:
    return [line for call in session.calls[:count] for line in _call(session, call)]


def _call(session: Session, call: Call) -> list[str]:
    """The call as Python, in the mode and under the autocast in which it was made."""
    build = session.trial.subject.build
    batches = [literal(batch) for batch in call.batches]
    texts = {"model": "model", "batches": f"[{', '.join(batches)}]", "optimizer": "optimizer", "loss": "loss"}
    texts |= {"max_norm": literal(session.trial.max_norm), "scaler": "scaler"}
    if build.single:
        texts["batches"] = batches[0]
    if session.scaler is None:
        texts["scaler"] = "torch.amp.GradScaler('cpu', enabled=False)"
    roles = {
        name: role for role, name in build.names.items() if role != "scaler" or session.scaler is not None or build.needs_scaler
    }
    said = ", ".join(f"{name}={texts[role]}" for name, role in roles.items())
    lines = [f"returned = build({said})"]
    if call.around[0]:
        lines = [
            f"with torch.autocast({session.case.device.partition(':')[0]!r}, torch.bfloat16):",
            *(f"    {line}" for line in lines),
        ]
    return [f"model.train({call.training})", "model.seen.clear()", *lines]


def _last(wrong: Wrong) -> list[str]:
    """The assertion."""
    allowed = abs(wrong.actual - wrong.expected) / 3
    allowed = allowed if isfinite(allowed) else 1e-3 * max(abs(wrong.expected), 1.0)
    return [
        f"actual, expected = float({wrong.expression}), {wrong.expected!r}",
        f'assert abs(actual - expected) <= {allowed:.3g}, f"{wrong.expression.replace(chr(34), chr(39))} = {{actual}}, '
        'but should be {expected}"',
    ]
