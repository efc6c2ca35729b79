"""The cases of a typed recurrence, without those that are for a few properties alone, and the script of a mistake."""

from collections.abc import Iterator
from itertools import islice

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.subject import Subject
from rnncheck.judging.judge import judge, trial_of
from rnncheck.repro import script
from rnncheck.strategies.cliffs import is_large
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.run_script import raised_by

MOST = 40
"""Cases among which a mistake is red."""


def small(subject: Subject, dtypes: tuple[str, ...] = ("float64", "float32")) -> Iterator[Case]:
    """The cases that any property may be judged on, in order."""
    return (case for case in plan(subject, dtypes, 2, 0) if not is_large(case))


def only_the_mistake_fails(mistake, right, id):
    """Whether the script of a function on which this property is red fails, and passes with the right function in its place."""
    subject, prop = claimed(mistake), CATALOG[id]
    judged = ((case, judge(prop, trial_of(subject, case))) for case in islice(small(subject), MOST))
    case, outcome = next(pair for pair in judged if pair[1].red)
    text = script(subject, prop, case, outcome)
    mended = text.replace(mistake.__name__, right.__name__)
    return isinstance(raised_by(text), AssertionError) and raised_by(mended) is None
