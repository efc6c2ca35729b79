"""Why a case fails: where the subject first leaves its budget, the one change under which it would agree, a script."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from rnncheck import diagnosis, oracle
from rnncheck.core.case import Case
from rnncheck.core.property import Property, WrongProperty
from rnncheck.core.run import Run
from rnncheck.core.subject import Malformed, NotClaimed, Subject
from rnncheck.core.values import Values
from rnncheck.core.verdict import Outcome
from rnncheck.judging.between_calls import ABOUT, OF_ROWS, between_calls, of_the_first_row
from rnncheck.judging.gradient_stops import gradient_stops
from rnncheck.judging.judge import AnyTrial, as_the_case_says, our_mistake
from rnncheck.judging.of_lengths import of_lengths
from rnncheck.judging.one_direction import ABOUT as OF_SHAPES
from rnncheck.judging.one_direction import one_direction
from rnncheck.judging.unchanged_state import ABOUT as OF_GRADIENTS
from rnncheck.judging.unchanged_state import unchanged_state
from rnncheck.repro.brief import brief_calls
from rnncheck.repro.script import script
from rnncheck.running.step_trial import StepTrial
from rnncheck.running.trial import SubjectError, Trial, Unmeasurable

NO_ANSWER = (SubjectError, Malformed, NotClaimed, Unmeasurable)
"""Why there may be nothing to explain."""
ENOUGH = 3
"""How many numbers of a minimal case must be wrong for an explanation of them to be one."""
MOVED = 0.03
"""How far, relatively, an input is moved to see whether the errors are roundoffs, which are others then."""


@dataclass(frozen=True)
class Explanation:
    """The first wrong step in words, the diagnosis, and a standalone script; None where there is nothing to say.

    calls:       the failure in a few lines of Python
    unexplained: why there is no more than this, where that is a mistake of ours
    """

    location: str | None = None
    diagnosis: str | None = None
    script: str | None = None
    around: str | None = None
    calls: str | None = None
    unexplained: str | None = None


def explain(prop: Property, trial: AnyTrial, outcome: Outcome) -> Explanation:
    """Explain a minimal failing case as far as possible. A mistake of ours is reported, and changes no verdict."""
    told = Explanation()
    try:
        with as_the_case_says(trial.case):
            told = _mistake(prop, trial, outcome) if isinstance(trial, StepTrial) else _where_and_why(trial, outcome)
            if isinstance(trial, Trial) and outcome.status == "fails" and not trial.subject.offers("load"):
                told = replace(told, diagnosis=told.diagnosis or _of_its_own(prop, trial))
            if isinstance(trial, Trial) and outcome.status == "fails" and prop.family == "gradient" and told.location is None:
                told = replace(told, diagnosis=told.diagnosis or gradient_stops(trial))
            if not outcome.red:
                return told
            told = replace(told, script=script(trial.subject, prop, trial.case, outcome))
            return replace(told, calls=brief_calls(trial.subject, prop, trial.case))
    except WrongProperty:  # the outcome says all of it
        return told
    except Exception as mistake:
        return replace(told, unexplained=f"not explained further: {our_mistake(mistake)}")


def _of_its_own(prop: Property, trial: Trial) -> str | None:
    """The one change that explains the failure of a recurrence whose equations are not known."""
    if trial.lengths is not None:
        return of_lengths(trial)
    if prop.id in OF_SHAPES:
        return one_direction(trial)
    if prop.id in OF_ROWS:
        return of_the_first_row(trial)
    found = between_calls(trial) if prop.id in ABOUT else None
    return found or (unchanged_state(trial) if prop.id in OF_GRADIENTS else None)


def _mistake(prop: Property, trial: StepTrial, outcome: Outcome) -> Explanation:
    """The known mistake that a training step makes, where the numbers tell."""
    if outcome.status != "fails" or prop.id in diagnosis.NOT_OF_NUMBERS:
        return Explanation()
    try:
        return Explanation(diagnosis=diagnosis.known_mistake(trial))
    except NO_ANSWER:  # it raises in another situation: then a property says so
        return Explanation()


def _where_and_why(trial: AnyTrial, outcome: Outcome) -> Explanation:
    """Compare the case's own run with the truth; says nothing where there is none, or where the run itself is right."""
    if outcome.status != "fails" or not isinstance(trial, Trial) or not trial.subject.offers("load"):
        return Explanation()
    try:
        answer = _answer(trial)
    except NO_ANSWER:  # no run, no truth: then the outcome itself has said it
        return Explanation()
    location = _location(trial, answer)
    if location is None:
        return Explanation()
    return Explanation(str(location), _diagnosis(trial), around=_around(trial.run, trial.budget))


def _location(trial: Trial, answer: diagnosis.Answer) -> diagnosis.Location | None:
    """Where it is first off; in a lower layer too, where the subject can be run on the first steps alone."""
    config, actual, lengths = trial.config.but(dropout=0.0), answer.actual, trial.lengths

    def prefix(steps: int) -> tuple[oracle.Budget, Run]:
        first = trial.but(x=trial.x[:steps])
        return first.budget, first.run

    if config.num_layers > 1:
        try:
            return diagnosis.localise(config, answer.budget, actual, lengths, prefix=prefix, answer=answer)
        except NO_ANSWER:  # then as far as the whole run shows it
            return diagnosis.localise(config, answer.budget, actual, lengths, answer=answer)
    return diagnosis.localise(config, answer.budget, actual, lengths, answer=answer)


def _diagnosis(trial: Trial) -> str | None:
    """The one change under which the subject would agree, where that can be told from others.

    A minimal case has so few numbers that many explanations fit. So the subject is asked in the same situation with generic
    numbers, as many as can tell; where it agrees there, in one more and more like the case; at last on the case itself. Where it
    first does not agree, the change must explain that, and another draw of it: what fits once only is not said. A layer with two
    mistakes may show one of them only where initial states are given: then both are said, if a pair of changes explains them.
    """
    for case in _situations(trial):
        answer = _elsewhere(trial.subject, case)
        if answer is None or answer.agrees:
            continue
        again = _elsewhere(trial.subject, case.but(seed=case.seed + 1))
        if again is None:
            return None
        moved = _elsewhere(trial.subject, case, moved=True)
        more = (again, *_in_another_order(trial.subject, case))
        found = diagnosis.diagnose(answer, *more, moved=moved)
        may_be_given = found and case.hx == "none" and trial.subject.offers("hx")
        given = _elsewhere(trial.subject, case.but(hx="random")) if may_be_given else None
        if given is None or given.agrees:
            return found
        return diagnosis.diagnose(answer, *more, given, moved=moved) or found
    return None


def _in_another_order(subject: Subject, case: Case) -> tuple[diagnosis.Answer, ...]:
    """The answer to the case with its lengths in reverse order, where that is wrong too: not all that fits one fits both."""
    answer = None if case.lengths is None else _elsewhere(subject, case.but(lengths=case.lengths[::-1]))
    return () if answer is None or answer.agrees else (answer,)


def _situations(trial: Trial) -> Iterator[Case]:
    """The case with generic numbers, in more steps and rows, in its own; and as it is, if that says enough."""
    case, fixed = trial.case, trial.subject.fixed is not None
    time, batch = max(case.time, 6), None if case.batch is None else max(case.batch, 3)
    lengths = None if case.lengths is None else tuple(sorted((time - row % 3 for row in range(batch or 1)), reverse=True))
    if lengths is not None and not case.sorted_lengths:
        lengths = lengths[::-1]
    sizes = {"input_size": max(case.config.input_size, 6), "hidden_size": max(case.config.hidden_size, 7)}
    larger = case if fixed else case.but(config=trial.subject.fitted(case.config.but(**sizes)))
    plain = {name: Values() for name in ("weights", "biases", "input", "state")}
    yield larger.but(time=time, batch=batch, lengths=lengths, **plain)
    yield larger.but(**plain)
    yield case.but(**plain)
    if (trial.budget.ratios(trial.run).output > 1).sum() >= ENOUGH:
        yield case


def _answer(trial: Trial) -> diagnosis.Answer:
    """The subject's result beside what it should be; raises one of NO_ANSWER where it cannot be had."""
    return diagnosis.Answer.of(diagnosis.asked_of(*trial.question), trial.run, trial.rounding, trial.case.seed)


def _elsewhere(subject: Subject, case: Case, moved: bool = False) -> diagnosis.Answer | None:
    """The answer to another case, or to one whose input is moved by some hundredths; None where there is none."""
    trial = Trial(subject, case)
    try:
        if moved:
            factors = 1 + MOVED * trial.like(trial.x.double(), "moved")
            trial = trial.but(x=(trial.x * factors).to(trial.x.dtype))
        return _answer(trial)
    except NO_ANSWER:
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
