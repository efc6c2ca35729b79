"""One Hypothesis suite for a family of the catalog: every property on every implementation that we vouch for."""

import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from rnncheck.adapters.targets import resolve
from rnncheck.backend.devices import found
from rnncheck.catalog import select
from rnncheck.core.property import Property
from rnncheck.core.subject import Subject
from rnncheck.judging.judge import judge, out_of_claim, trial_of
from rnncheck.strategies import cases, rows
from rnncheck.strategies.cases import degenerate_sizes, plain_case
from rnncheck.strategies.clip import clip_cases
from rnncheck.strategies.plan import plan
from rnncheck.strategies.step import step_cases

BY_DAY = 3
EXAMPLES = int(os.environ.get("RNNCHECK_PROPERTY_EXAMPLES", BY_DAY))
DEAR = 1000
"""The cost from which on one example is enough by day, on two layers: it is compiled or exported for seconds."""
DEAR_BY_DAY = ("torch.nn.LSTM", "rnncheck.nn.LSTM")
LOOK = 40
"""Planned cases of a subject that are looked at for one that a property applies to."""
DTYPES = ("float32", "float64", "bfloat16", "float16")
SUBJECTS = resolve.subjects(None)


@cache
def structure(name: str, device: str) -> list[tuple[Any, st.SearchStrategy[Any]]]:
    """(plain case, all cases) of each structural row of a subject; built once, for building costs more than drawing."""
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    return [
        (plain_case(row, subject), st.one_of(cases(row, subject), cases(row, subject, size=degenerate_sizes())))
        for row in rows(subject, DTYPES, 2, device)
    ]


@cache
def planned(name: str) -> list[Any]:
    """The first cases that a campaign would run."""
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    return list(islice(plan(subject, DTYPES, 2, 0), LOOK))


def speaks_of(prop: Property, subject: Subject, device: str) -> bool:
    """Whether the property applies to this kind of layer there at all: there is none of update gates in an LSTM."""
    there = (case if subject.kind != "layer" else case.but(device=device) for case in planned(subject.name))
    return any(out_of_claim(prop, subject, case) is None for case in there)


def is_tried(prop: Property, layer: Subject) -> bool:
    """Whether the property is tried on this layer, on any device: what is dear is tried on few of them by day."""
    if prop.cost >= DEAR and EXAMPLES <= BY_DAY and layer.name not in DEAR_BY_DAY:
        return False
    return any(speaks_of(prop, layer, device) for device in [*found(), "cuda"])


def case_strategy(subject: Subject, prop: Property, device: str) -> st.SearchStrategy[Any]:
    """Cases within the subject's claims that the property applies to."""

    def fits(case: Any) -> bool:
        return out_of_claim(prop, subject, case) is None

    if subject.kind == "clip":
        return clip_cases(device=device).filter(fits)
    if subject.kind == "step":
        return step_cases(device=device).filter(fits)
    all_rows = structure(subject.name, device)
    fitting = [strategy for plain, strategy in all_rows if fits(plain)]
    return st.one_of(fitting or [strategy for _, strategy in all_rows]).filter(fits)


def examples(prop: Property) -> int:
    """How many examples of a property on a subject."""
    least = 1 if prop.cost >= DEAR and EXAMPLES <= BY_DAY else 2
    return max(least, EXAMPLES // (1 + prop.cost // 20))


def suite(family: str) -> Callable[..., None]:
    """The test of one family: ``test_time = suite("time")``."""
    kind = select(f"{family}.*")[0].about
    pairs = [
        pytest.param(prop, subject, id=f"{prop.id}-{subject.name}")
        for prop in select(f"{family}.*") for subject in SUBJECTS
        if subject.kind == kind and (kind != "layer" or is_tried(prop, subject))
    ]  # fmt: skip

    @pytest.mark.parametrize(("prop", "subject"), pairs)
    def test(prop: Property, subject: Subject, device: str) -> None:
        if not speaks_of(prop, subject, device):
            pytest.skip(f"applies to: {prop.applies.words}")
        known = [d for d in resolve.known_deviations([subject]) if d.property == prop.id]
        seen: Counter[str] = Counter()
        reasons: set[str | None] = set()

        @settings(
            max_examples=examples(prop),
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=case_strategy(subject, prop, device))
        def holds(case: Any) -> None:
            outcome = judge(prop, trial_of(subject, case))
            deviates = outcome.red and any(d.covers(case) for d in known)
            accepted = ("holds", "not_applicable", "not_claimed", "not_reached")
            assert deviates or outcome.status in accepted, (outcome.mismatches, outcome.reason)
            if outcome.budget_used is not None:
                target(min(outcome.budget_used, 1.0), label="budget used")  # Hypothesis looks around the worst
            seen["deviates" if deviates else outcome.status] += 1
            reasons.add(outcome.reason)

        holds()
        if not seen["holds"] + seen["deviates"]:
            pytest.skip(f"nothing was judged: {'; '.join(filter(None, reasons))}")

    return test
