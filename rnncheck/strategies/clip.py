"""Hypothesis strategies for calls of a function like clip_grad_norm_.

The simplest draw is a generic case that clips: two gradients of different shape, random values, norm above max_norm.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from hypothesis import strategies as st

from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.core.values import Values
from rnncheck.strategies.cases import seeds

MAX_NORMS = (0.5, 1.0, 0.01, 5.0, 0.0, 100.0, inf)
NORM_TYPES = (2.0, 1.0, 3.0, inf)
MODERATE = (1.0, 0.1, 10.0, 1e-3)
EXTREME = (1e30, 1e-30, 1e-7, 1e10)
OVERRIDES = (0.0, 1.0, -100.0, 1e-6)
NON_FINITE = (inf, -inf, float("nan"))
SHAPES: tuple[tuple[int, ...], ...] = ((2, 3), (4,), (1,), (), (3, 2, 2), (5, 4), (33,), (0, 3))
DTYPES = ("float32", "float64", "bfloat16", "float16")


def clip_values(*, scales: tuple[float, ...] = MODERATE, special: tuple[float, ...] = OVERRIDES) -> st.SearchStrategy[Values]:
    """Generic values first, then scales, patterns and up to three overrides."""
    overrides = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(special)), max_size=3).map(tuple)
    patterns = st.sampled_from(("normal", "sparse", "one_hot", "alternating", "ramp", "ones", "zeros"))
    return st.one_of(st.just(Values()), st.builds(Values, patterns, st.sampled_from(scales), overrides))


@st.composite
def gradients(draw: Callable[..., Any], place: int, dtype: str, device: str, values: st.SearchStrategy[Values]) -> Gradient:
    """One parameter's gradient; now and then there is none, it has no elements, or it lies on the CPU."""
    shape = SHAPES[place] if draw(st.integers(0, 3)) == 0 else draw(st.sampled_from(SHAPES))
    missing = draw(st.integers(0, 7)) == 7
    elsewhere = "cpu" if device != "cpu" and draw(st.integers(0, 3)) == 3 else None
    return Gradient(shape, draw(values), dtype, elsewhere, missing)


@st.composite
def clip_cases(draw: Callable[..., Any], *, device: str = "cpu", dtypes: tuple[str, ...] = DTYPES) -> ClipCase:
    """Calls with one to five parameters of one or several dtypes; now and then extreme or non-finite gradients."""
    ordinary, extreme = clip_values(), clip_values(scales=EXTREME, special=OVERRIDES + NON_FINITE)
    values = draw(st.sampled_from((ordinary,) * 7 + (extreme,)))
    first = draw(st.sampled_from(dtypes))
    dtype = st.sampled_from(dtypes) if draw(st.integers(0, 4)) == 4 else st.just(first)
    count = draw(st.sampled_from((2, 1, 3, 4, 5)))
    found = tuple(draw(gradients(place, draw(dtype), device, values)) for place in range(count))
    how = ("list", "generator", "tensor") if count == 1 else ("list", "generator")
    return ClipCase(
        found, draw(st.sampled_from(MAX_NORMS)), draw(st.sampled_from(NORM_TYPES)), draw(st.integers(0, 4)) == 4,
        draw(st.sampled_from((None, True, False))), draw(st.sampled_from(how)), device, draw(seeds()),
    )  # fmt: skip
