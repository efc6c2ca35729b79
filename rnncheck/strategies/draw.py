"""The one place that knows Hypothesis' engine: draws cases."""

from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

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
