"""A script that runs the case once and compares with the documented equations in float64."""

from typing import Any

import torch

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.repro.construct import construction
from rnncheck.repro.helpers import padded_text
from rnncheck.repro.literal import literal
from rnncheck.repro.reference import reference_text
from rnncheck.running.trial import Trial

_READ = {
    "packed": "output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length={time})",
    "unbatched": "output, state = output.unsqueeze(1), [part.unsqueeze(1) for part in state]",
    "batch_first": "output = output.transpose(0, 1)",
}

_IN_ANY_ORDER = '''import itertools


def in_any_order(p, x, state, lengths):
    """The same for each order of the gates {gates}{exchanged}: no order is known in which the layer agrees."""
    for order in itertools.permutations(range({count})):
        for was, now in itertools.product({signs}, repeat=2):
            own = {{name: torch.cat([was[gate] * now[place] * value.chunk({count})[gate] for place, gate in enumerate(order)])
                   for name, value in p.items()}}
            yield expected_run(own, x, state, lengths)

'''

NEAREST = "min(in_any_order(*given), key=lambda one: abs(actual[part].double()[at] - one[part][at]).item())"

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
    beside = [padded_text(case), "", ""] if _is_beside(trial) else []
    equations = reference_text(case.config)
    orders = _in_any_order(case.config) if _is_guessed(subject) else ""
    if orders and not _is_off_in_all(trial, worst[1], f"import torch\n{equations}\n{orders}"):
        orders = ""
    compared = _compare(trial, worst[1], NEAREST if orders else "expected_run(*given)")
    return "\n".join([equations, *([orders] if orders else []), *beside, *_build_and_call(trial), *compared])


def _is_guessed(subject: Subject) -> bool:
    """Whether the layer agrees with the equations in no order of its gates, so that the one in which it is read is a guess."""
    arrangement = getattr(getattr(subject.build, "reading", None), "arrangement", None)
    return arrangement is not None and not arrangement.exact


def _in_any_order(config: Config) -> str:
    """A function of the results under each order of the gates, the one in which the layer is read first."""
    gates, exchanged = config.gates, config.kind.often_exchanged
    signs = dict.fromkeys(tuple(-1 if gate == one else 1 for gate in gates) for one in ("", exchanged))
    told = f", and with {exchanged} as 1 - {exchanged}" if exchanged else ""
    return _IN_ANY_ORDER.format(gates=" ".join(gates), count=len(gates), signs=tuple(signs), exchanged=told)


def _is_off_in_all(trial: Trial, part: str, text: str) -> bool:
    """Whether this case has a number that is wrong under each order of the gates, by the functions in a script's text."""
    names: dict[str, Any] = {}
    exec(text, names)
    at = _farthest(trial, part)
    given = ({name: p.double() for name, p in trial.parameters.items()}, trial.x.double(),
             [state.double() for state in trial.given_state], torch.tensor(_lengths(trial)))  # fmt: skip
    actual, allowed = getattr(trial.run, part)[at].double(), getattr(trial.budget.allowed, part)[at]
    return not any(abs(actual - one[part][at]) <= allowed for one in names["in_any_order"](*given))


def _lengths(trial: Trial) -> list[int]:
    return list(trial.lengths or (trial.time,) * trial.batch)


def _farthest(trial: Trial, part: str) -> tuple[int, ...]:
    """Where a part of the result is farthest off, as far as is allowed there."""
    ratios = getattr(trial.budget.ratios(trial.run), part)
    return tuple(int(i) for i in torch.unravel_index(ratios.argmax(), ratios.shape))


def _is_beside(trial: Trial) -> bool:
    """Whether the lengths go beside padded input."""
    return bool(trial.lengths) and hasattr(trial.layer, "with_lengths")


def _build_and_call(trial: Trial) -> list[str]:
    x, hx = trial.lay_out(trial.x, trial.state)
    called = "layer(x)" if hx is None else "layer(x, hx)"
    return [
        *construction(trial.build(), trial.config, trial.case),
        f"x = {literal(x)}",
        f"hx = {literal(_given(trial, hx))}",
        f"with torch.set_grad_enabled({trial.case.training}):",
        f"    output, state = {'padded(layer, x, hx)' if _is_beside(trial) else called}",
    ]


def _given(trial: Trial, hx: Any) -> Any:
    return hx if hx is None else trial.config.as_hx(hx)


def _compare(trial: Trial, part: str, expected: str) -> list[str]:
    """The comparison of this part of the result with what is expected, an expression, where they are farthest apart."""
    case, at = trial.case, _farthest(trial, part)
    form = "packed" if trial.lengths else "unbatched" if case.batch is None else "batch_first" if case.config.batch_first else None
    allowed = getattr(trial.budget.allowed, part)
    return [
        "state = state if isinstance(state, tuple) else (state,)",
        *(["state = [part.unsqueeze(0) for part in state]"] if trial.subject.flat_states else []),
        *([_READ[form].format(time=trial.time)] if form else []),
        'actual = dict(zip(("output", "h_n", "c_n"), (output, *state)))',
        "",
        f"# the same input and state, as (time, batch, features); any rounding of {case.dtype} stays below `allowed`",
        f"x = {literal(trial.x)}.double()",
        f"state = [part.double() for part in {literal(trial.given_state)}]",
        f"given = {{k: v.double() for k, v in parameters.items()}}, x, state, tensor({_lengths(trial)})",
        f"part, at, allowed = {part!r}, {at}, {float(allowed[at]):.3g}",
        f"expected = {expected}",
        "error = abs(actual[part].double()[at] - expected[part][at]).item()",
        "print(f'{part}{list(at)} = {actual[part][at].item():.6g}, but should be {expected[part][at].item():.6g}')",
        "assert error <= allowed, f'off by {error:.3g}, allowed {allowed:.3g}'",
        "",
    ]
