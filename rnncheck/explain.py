"""Why a case fails: where the subject first leaves its budget, the one change under which it would agree, a script."""

from dataclasses import dataclass, replace

from rnncheck import oracle
from rnncheck.property import Property
from rnncheck.repro import script
from rnncheck.subject import Malformed
from rnncheck.trial import SubjectError, Trial, Unmeasurable
from rnncheck.verdict import Outcome


@dataclass(frozen=True)
class Explanation:
    """The first wrong step in words, the diagnosis, and a standalone script; None where there is nothing to say."""

    location: str | None = None
    diagnosis: str | None = None
    script: str | None = None


def explain(prop: Property, trial: Trial, outcome: Outcome) -> Explanation:
    """All that can be said about a minimal failing case."""
    text = script(trial.subject, prop, trial.case, outcome) if outcome.red else None
    return replace(_where_and_why(trial, outcome), script=text)


def _where_and_why(trial: Trial, outcome: Outcome) -> Explanation:
    """Compare the case's own run with the truth; says nothing where there is none, or where the run itself is right."""
    if outcome.status != "fails" or not isinstance(trial, Trial) or not trial.subject.offers("load"):
        return Explanation()
    try:
        actual, budget = trial.run, trial.budget
    except (SubjectError, Malformed, Unmeasurable):  # no run, no truth: then the outcome itself has said it
        return Explanation()
    config = trial.config.but(dropout=0.0)
    location = oracle.localise(config, budget, actual, trial.lengths)
    if location is None:
        return Explanation()
    h_0, c_0 = (*trial.given_state, None)[:2]
    diagnosis = oracle.diagnose(config, trial.parameters, trial.x, h_0, c_0, trial.lengths, actual,
                                rounding=trial.rounding, seed=trial.case.seed)
    return Explanation(str(location), diagnosis)
