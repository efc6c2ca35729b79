"""Which cases a property is checked on."""

import time
from dataclasses import replace
from itertools import count, islice

import pytest

from rnncheck.adapters.targets import resolve
from rnncheck.campaign.campaign import Campaign
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.settings import PROFILES, Settings
from rnncheck.campaign.shrinking import LEAST_SHRINKING, MOST_IN_ALL, MOST_SHRINKING
from rnncheck.campaign.subject_run import PropertyTally, SubjectRun, kind_of
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.core.verdict import Outcome
from rnncheck.engine import Inline
from tests.engine.support import workshop


@pytest.mark.parametrize(("id", "vague", "wanted"), [
    ("batch.many", False, True), ("batch.many", True, False), ("batch.alone", False, True), ("batch.alone", True, True),
])  # fmt: skip
def test_what_is_checked_seldom_is_not_checked_where_nothing_can_be_said(id, vague, wanted):
    assert PropertyTally(CATALOG[id]).wants(object(), vague=vague) is wanted


def test_what_is_checked_seldom_is_checked_on_a_rich_case():
    """The first case, and the first with several layers and both directions; of one that offers no layers any will do."""
    (subject,) = probe_all(resolve.subjects("torch.nn.GRU"), "inline")
    one = Case(Config("GRU", 2, 3), time=2, batch=2)
    deep = one.but(num_layers=2, bidirectional=True)
    tally = PropertyTally(CATALOG["agree.compiled"])
    wanted = [tally.wants(case, **kind_of(case, subject)) for case in (one, one, deep, deep, one)]
    assert wanted == [True, False, True, False, False]
    flat = replace(subject, claims={**subject.claims, **{f: Claim(False, "declared") for f in ("layers", "bidirectional")}})
    assert kind_of(one, flat)["rich"] and not kind_of(one, subject)["rich"]


@pytest.mark.parametrize(("lacking", "tried"), [
    ((), True), (("load",), False), (("load", "float32", "float64", "float16"), True),
])  # fmt: skip
def test_two_digits_are_too_few_where_the_allowed_error_is_measured_on_the_subject(lacking, tried):
    """Unless there is no other dtype: then it is tried, and says that nothing can be said."""
    (subject,) = probe_all(resolve.subjects("torch.nn.GRU"), "inline")
    subject = replace(subject, claims={**subject.claims, **{name: Claim(False, "declared") for name in lacking}})
    subject_run = SubjectRun(0, subject, "cpu", Settings((CATALOG["batch.many"],), replace(PROFILES["ci"], cases=120)), [])
    dtypes = {case.dtype for case in subject_run.cases() if subject_run.properties_for(case)}
    assert dtypes and ("bfloat16" in dtypes) is tried


def test_a_warning_does_not_hide_what_a_later_case_shows():
    """Outputs behind a length of 0 are a matter of convention, and another sequence's state there is not."""
    tally = PropertyTally(CATALOG["lengths.zero"])
    mild, worse = (Outcome("lengths.zero", "fails", mismatches=[f"of length 0: {what}"]) for what in ("output: 1", "h_n: 1"))
    one, other = (Case(Config("GRU", 2, 3), time=2, batch=size) for size in (2, 3))
    assert tally.enter(one, mild, []) and tally.warning is not None and not tally.over
    assert tally.enter(other, mild, []) and tally.failed == (one, mild)
    assert tally.enter(other, worse, []) and tally.failed == (other, worse) and tally.red and tally.over
    assert not tally.enter(one, mild, [])


@pytest.fixture
def subject_run():
    (subject,) = probe_all(resolve.subjects("torch.nn.GRU"), "inline")
    subject = replace(subject, claims={**subject.claims, "onnx": Claim(False, "declared")})
    return SubjectRun(0, subject, "cpu", Settings((CATALOG["shape.output"], CATALOG["agree.onnx"])), [])


def test_no_case_is_drawn_once_every_property_has_failed(subject_run):
    jobs = subject_run.jobs(count())
    (job,) = islice(jobs, 1)
    for tally in subject_run.tallies.values():
        tally.failed = (job.cases[0], Outcome(tally.prop.id, "fails"))
    assert list(jobs) == [] and subject_run.report().left == 0


def test_what_is_not_claimed_is_not_claimed_of_a_subject_that_is_given_up_either(subject_run):
    subject_run.given_up = "given up after 3 crashes or hangs"
    verdicts = {id: subject_run.verdict(tally) for id, tally in subject_run.tallies.items()}
    assert verdicts["agree.onnx"].verdict == "not_claimed"
    assert (verdicts["shape.output"].verdict, verdicts["shape.output"].reason) == ("not_reached", subject_run.given_up)


@pytest.mark.parametrize(("failing", "seconds"), [(1, MOST_SHRINKING), (20, MOST_IN_ALL / 20), (1000, LEAST_SHRINKING)])
def test_however_much_time_is_left_shrinking_takes_little(subject_run, failing, seconds):
    campaign = Campaign([(subject_run.subject, "cpu")], replace(subject_run.settings, budget=3000.0))
    (case,) = islice(subject_run.cases(), 1)
    tallies = [PropertyTally(CATALOG["shape.output"], failed=(case, Outcome("shape.output", "fails")))] * failing
    end = min(campaign.pace.deadline, time.monotonic() + MOST_IN_ALL)
    shrinking = campaign.shrinking(Inline(workshop(subject_run.subject)))
    (job,) = islice(shrinking.jobs([(subject_run, tally) for tally in tallies], end), 1)
    assert job.seconds == pytest.approx(seconds, rel=0.01)
