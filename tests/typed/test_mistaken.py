"""What is wrong with a typed recurrence is seen; what is right stays clean."""

import pytest

import rnncheck
from tests.typed.mistaken import MISTAKES


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_mistake_is_seen(mistake):
    report = rnncheck.verify(mistake, properties=MISTAKES[mistake], engine="inline", max_examples=24, strength=2)
    assert [verdict.verdict for _, verdict in report.verdicts()] == ["fails"]
