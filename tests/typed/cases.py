"""The cases of a typed recurrence, without those that are for a few properties alone."""

from collections.abc import Iterator

from rnncheck.core.case import Case
from rnncheck.core.subject import Subject
from rnncheck.strategies.cliffs import is_large
from rnncheck.strategies.plan import plan


def small(subject: Subject, dtypes: tuple[str, ...] = ("float64", "float32")) -> Iterator[Case]:
    """The cases that any property may be judged on, in order."""
    return (case for case in plan(subject, dtypes, 2, 0) if not is_large(case))
