"""Properties that fail for one cause are made small once: the others begin where the first of them ended."""

from dataclasses import replace

import pytest

from rnncheck.campaign.campaign import PROFILES, Campaign, Settings
from rnncheck.core.observation import equal
from rnncheck.engine import Inline
from tests.engine.support import gru, prop, workshop


def short(trial):
    return equal("time", trial.time < 3, True)


def brief(trial):
    return equal("time", trial.time < 3, True)


def narrow(trial):
    return equal("hidden_size", trial.config.hidden_size < 2, True)


@pytest.fixture
def shrunk():
    """What each of these properties is shrunk to, by name."""
    checks = {p.id: p for p in map(prop, (short, brief, narrow))}
    settings = Settings(tuple(checks.values()), replace(PROFILES["smoke"], cases=8), budget=300.0)
    campaign = Campaign([(gru(), "cpu")], settings)
    campaign.run(Inline(workshop(gru(), catalog=checks)))
    (subject_run,) = campaign.subject_runs
    return {id.removeprefix("own."): tally.shrunk.shrunk for id, tally in subject_run.tallies.items()}


def test_what_fails_on_the_smallest_case_too_begins_there(shrunk):
    assert shrunk["brief"].case == shrunk["short"].case
    assert shrunk["short"].attempts < shrunk["brief"].attempts  # of one family, the first by name leads


def test_what_does_not_begins_where_it_failed(shrunk):
    assert shrunk["short"].case.time == 3 and shrunk["short"].case.config.hidden_size == 1
    assert shrunk["narrow"].case.time == 1 and shrunk["narrow"].case.config.hidden_size == 2
