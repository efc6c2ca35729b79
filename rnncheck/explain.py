"""Why a case fails: where the subject first leaves its budget, the one change under which it would agree, a script."""

from dataclasses import dataclass, replace

import torch

from rnncheck import oracle
from rnncheck.judge import as_the_case_says, our_mistake
from rnncheck.property import Property
from rnncheck.repro.script import script
from rnncheck.run import Run
from rnncheck.subject import Malformed
from rnncheck.trial import SubjectError, Trial, Unmeasurable
from rnncheck.values import Values
from rnncheck.verdict import Outcome


@dataclass(frozen=True)
class Explanation:
    """The first wrong step in words, the diagnosis, and a standalone script; None where there is nothing to say.

    unexplained: why there is no more than this, where that is a mistake of ours
    """

    location: str | None = None
    diagnosis: str | None = None
    script: str | None = None
    around: str | None = None
    unexplained: str | None = None


def explain(prop: Property, trial: Trial, outcome: Outcome) -> Explanation:
    """All that can be said about a minimal failing case. A mistake of ours in it is told, and costs no verdict."""
    told = Explanation()
    try:
        with as_the_case_says(trial.case):
            told = _where_and_why(trial, outcome)
            return replace(told, script=script(trial.subject, prop, trial.case, outcome) if outcome.red else None)
    except Exception as mistake:
        return replace(told, unexplained=f"not explained further: {our_mistake(mistake)}")


def _where_and_why(trial: Trial, outcome: Outcome) -> Explanation:
    """Compare the case's own run with the truth; says nothing where there is none, or where the run itself is right."""
    if outcome.status != "fails" or not isinstance(trial, Trial) or not trial.subject.offers("load"):
        return Explanation()
    try:
        actual, budget = trial.run, trial.budget
    except (SubjectError, Malformed, Unmeasurable):  # no run, no truth: then the outcome itself has said it
        return Explanation()
    h_0, c_0 = (*trial.given_state, None)[:2]
    given = trial.parameters, trial.x, h_0, c_0
    location = oracle.localise(trial.config.but(dropout=0.0), budget, actual, trial.lengths, data=given)
    if location is None:
        return Explanation()
    return Explanation(str(location), _telling(trial) or _diagnosis(trial), around=_around(actual, budget))


def _diagnosis(trial: Trial) -> str | None:
    h_0, c_0 = (*trial.given_state, None)[:2]
    given = trial.config.but(dropout=0.0), trial.parameters, trial.x, h_0, c_0, trial.lengths
    return oracle.diagnose(*given, trial.run, rounding=trial.rounding, seed=trial.case.seed)


def _telling(trial: Trial) -> str | None:
    """The diagnosis where the subject is in the same situation, but with generic numbers and enough of them to tell.

    A minimal case has so few numbers that many explanations fit. None where the subject agrees, or cannot be had, there.
    """
    case, fixed = trial.case, trial.subject.fixed is not None
    time, batch = max(case.time, 6), None if case.batch is None else max(case.batch, 3)
    lengths = None if case.lengths is None else tuple(sorted((time - row % 3 for row in range(batch or 1)), reverse=True))
    if lengths is not None and not case.sorted_lengths:
        lengths = lengths[::-1]
    sizes = {} if fixed else {"input_size": max(case.config.input_size, 6), "hidden_size": max(case.config.hidden_size, 7)}
    plain = {name: Values() for name in ("weights", "biases", "input", "state")}
    other = Trial(trial.subject, case.but(time=time, batch=batch, lengths=lengths, **sizes, **plain))
    try:
        return _diagnosis(other)
    except (SubjectError, Malformed, Unmeasurable):
        return None


def _around(actual: Run, budget: oracle.Budget) -> str:
    """Shapes, and the output against time in the row and feature that is farthest off."""
    ratios = budget.ratios(actual).output
    _, row, feature = torch.unravel_index(ratios.argmax(), ratios.shape)
    shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in actual.parts())
    lines = [
        f"shapes as (time, batch, features): {shapes}",
        f"output at batch {int(row)}, feature {int(feature)}:",
        "  time        actual      expected    allowed",
    ]
    for t in range(min(len(ratios), 40)):
        values = (
            actual.output[t, row, feature],
            budget.truth.output[t, row, feature],
            budget.allowed.output[t, row, feature],
        )
        wrong = " <--" if float(ratios[t, row, feature]) > 1 else ""
        lines.append(f"  {t:4}  {float(values[0]):12.6g}  {float(values[1]):12.6g}  {float(values[2]):9.2g}{wrong}")
    return "\n".join(lines)
