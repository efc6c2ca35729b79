"""A script that runs the case once and compares with the documented equations in float64."""

from typing import Any

import torch

from rnncheck.core.case import Case
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.construct import construction
from rnncheck.repro.literal import literal
from rnncheck.repro.reference import reference_text
from rnncheck.running.trial import Trial

_READ = {
    "packed": "    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length={time})",
    "unbatched": "    output, state = output.unsqueeze(1), [part.unsqueeze(1) for part in state]",
    "batch_first": "    output = output.transpose(0, 1)",
}

OWN_SURROUNDINGS = ("layout.fresh_memory",)
"""Properties of what a call is made in: without it, what comes out is right or wrong by chance."""


def against_equations(subject: Subject, prop: Property, case: Any) -> str | None:
    """The script's body, or None if the run of this case is within its budget (then this is not what is wrong)."""
    subject = subject.claiming(case)
    if not isinstance(case, Case) or not subject.offers("load") or case.dropout_active or prop.id in OWN_SURROUNDINGS:
        return None
    with torch.random.fork_rng(devices=[]):
        trial = Trial(subject, case)
        used = trial.budget.ratios(trial.run)
    worst = max(((float(part.max()), name) for name, part in used.parts() if part.numel()), default=(0.0, ""))
    if worst[0] <= 1.0:
        return None
    return "\n".join([reference_text(case.config), *_build_and_call(trial), *_compare(trial, worst[1])])


def _build_and_call(trial: Trial) -> list[str]:
    x, hx = trial.lay_out(trial.x, trial.state)
    return [
        *construction(trial.build(), trial.config, trial.case),
        f"x = {literal(x)}",
        f"hx = {literal(_given(trial, hx))}",
        f"with torch.set_grad_enabled({trial.case.training}):",
        "    output, state = layer(x)" if hx is None else "    output, state = layer(x, hx)",
    ]


def _given(trial: Trial, hx: Any) -> Any:
    return hx if hx is None else trial.config.as_hx(hx)


def _compare(trial: Trial, part: str) -> list[str]:
    case, budget = trial.case, trial.budget
    lengths = trial.lengths or (trial.time,) * trial.batch
    form = "packed" if trial.lengths else "unbatched" if case.batch is None else "batch_first" if case.config.batch_first else None
    allowed = getattr(budget.allowed, part)
    at = tuple(int(i) for i in torch.unravel_index(getattr(budget.ratios(trial.run), part).argmax(), allowed.shape))
    return [
        "    state = state if isinstance(state, tuple) else (state,)",
        *(["state = [part.unsqueeze(0) for part in state]"] if trial.subject.flat_states else []),
        *([_READ[form].format(time=trial.time)] if form else []),
        'actual = dict(zip(("output", "h_n", "c_n"), (output, *state)))',
        "",
        f"# the same input and state, as (time, batch, features); any rounding of {case.dtype} stays below `allowed`",
        f"x = {literal(trial.x)}.double()",
        f"state = [part.double() for part in {literal(trial.given_state)}]",
        f"expected = expected_run({{k: v.double() for k, v in parameters.items()}}, x, state, tensor({list(lengths)}))",
        f"part, at, allowed = {part!r}, {at}, {float(allowed[at]):.3g}",
        "error = abs(actual[part].double()[at] - expected[part][at]).item()",
        "print(f'{part}{list(at)} = {actual[part][at].item():.6g}, but should be {expected[part][at].item():.6g}')",
        "assert error <= allowed, f'off by {error:.3g}, allowed {allowed:.3g}'",
        "",
    ]
