"""Hypothesis strategies for pairs of a model and its reference. The simplest draw is the smallest sizes with weights as drawn."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from rnncheck.core.pair_case import PairCase
from rnncheck.strategies.cases import seeds

ROWS = (None, 1, 3, 5)
STEPS = (None, 1, 9, 17)
SCALES = (1.0, 0.1, 10.0, 1e-3)
DTYPES = ("float32", "float64", "bfloat16", "float16")


@st.composite
def pair_cases(draw: Callable[..., Any], offered: frozenset[str], *, device: str = "cpu") -> PairCase:
    """Cases on what both models offer: sizes, weights, scales of the input, precisions, train() and eval()."""

    def among(feature: str, values: Sequence[Any]) -> Any:
        return draw(st.sampled_from(values if feature in offered else values[:1]))

    weights = ("default", "large", "long") if "forgets_slowly" in offered else ("default", "large")
    dtypes = [dtype for dtype in DTYPES if f"pair_{dtype}" in offered] or ["float32"]
    return PairCase(
        small="small" in offered, rows=among("rows", ROWS), steps=among("steps", STEPS),
        weights=draw(st.sampled_from(weights)), scale=draw(st.sampled_from(SCALES)),
        training=among("pair_training", (False, True)), grad=draw(st.booleans()),
        dtype=draw(st.sampled_from([dtypes[0], *dtypes])), device=device, seed=draw(seeds()),
    )  # fmt: skip
