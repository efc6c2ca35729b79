"""Hypothesis strategies for training steps. The simplest draw is one batch of two rows on the linear model, clipped, by SGD."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from rnncheck.core.step_case import Reduction, StepCase
from rnncheck.core.subject import Subject
from rnncheck.strategies.cases import seeds

SIZES: tuple[tuple[int, ...], ...] = ((2,), (2, 2), (1, 1, 1), (1,), (4, 4), (2, 2, 2, 2))
UNEQUAL: tuple[tuple[int, ...], ...] = ((3, 1), (1, 4, 2))
BOUNDS = (0.5, 0.1, 2.0, 0.9, 100.0, float("inf"))
SCALES = (None, 1024.0, 65536.0, 8.0, 1.0)


def as_offered(case: StepCase, subject: Subject) -> StepCase:
    """Return the case without what the subject does not offer: a scaler, several micro-batches, unequal ones."""
    one = case.rows // 2 if subject.offers("accumulation") else case.rows
    fits = subject.offers("unequal") or len(set(case.sizes)) == 1
    sizes = case.sizes if fits and (subject.offers("accumulation") or len(case.sizes) == 1) else (one,) * (case.rows // one)
    return case.but(sizes=sizes, scale=case.scale if subject.offers("scaler") else None)


@st.composite
def step_cases(draw: Callable[..., Any], *, reduction: Reduction = "mean", device: str = "cpu") -> StepCase:
    """Steps on both models, of one to four micro-batches, by each optimizer and each of its implementations."""
    sizes = SIZES if draw(st.integers(0, 4)) < 4 else UNEQUAL
    return StepCase(
        model=draw(st.sampled_from(("linear", "recurrent"))), sizes=draw(st.sampled_from(sizes)), reduction=reduction,
        bound=draw(st.sampled_from(BOUNDS)), optimizer=draw(st.sampled_from(("SGD", "SGD", "momentum", "AdamW", "Adam"))),
        kernels=draw(st.sampled_from(("loop", "foreach", "fused"))), scale=draw(st.sampled_from(SCALES)),
        groups=draw(st.sampled_from((1, 2))), frozen=draw(st.integers(0, 3)) == 3,
        dtype=draw(st.sampled_from(("float32", "float64"))), device=device, seed=draw(seeds()),
    )  # fmt: skip
