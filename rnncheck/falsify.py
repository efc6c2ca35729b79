"""The one place that knows Hypothesis' engine: draws cases, and searches for a failing one."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st

from rnncheck.case import Case

T = TypeVar("T")

_QUIET: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "derandomize": False,
}


def draw(strategy: st.SearchStrategy[T], count: int, random_seed: int) -> list[T]:
    """``count`` cases (fewer if there are not as many), the strategy's simplest first; the same for the same seed."""
    drawn: list[T] = []

    @seed(random_seed)
    @settings(max_examples=count, phases=[Phase.generate], **_QUIET)
    @given(strategy)
    def collect(case: T) -> None:
        drawn.append(case)

    collect()
    return list(dict.fromkeys(drawn))


class Found(Exception):
    """Ends a search: carries the failing case."""

    def __init__(self, case: Case) -> None:
        super().__init__(str(case))
        self.case = case


def search(
    strategy: st.SearchStrategy[Case], budget_used: Callable[[Case], float], count: int, random_seed: int
) -> Case | None:
    """A case of which more than the whole budget is used, or None after ``count`` cases.

    Climbs: Hypothesis is told how much of the budget each case used (``target``), and looks around the worst.
    """

    @seed(random_seed)
    @settings(max_examples=count, phases=[Phase.generate, Phase.target], **_QUIET)
    @given(strategy)
    def climb(case: Case) -> None:
        used = budget_used(case)
        if used > 1:
            raise Found(case)
        target(used, label="budget used")

    try:
        climb()
    except Found as found:
        return found.case
    return None
