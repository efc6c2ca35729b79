"""The time that is given: what is done first in it, that it is kept, and that how loaded the machine is changes no exit code."""

import json
import multiprocessing
import time
from dataclasses import replace
from itertools import islice

import pytest
import torch

import rnncheck
from rnncheck.backend.compilers import ALL, PROBED
from rnncheck.campaign.campaign import Campaign
from rnncheck.campaign.clock import began, counted_from
from rnncheck.campaign.order import CHEAP, DEAR, Checks, breadth_first
from rnncheck.campaign.pace import Pace
from rnncheck.campaign.settings import PROFILES, UNHURRIED, Settings
from rnncheck.campaign.shrinking import LONGEST_SURE, NO_TIME
from rnncheck.campaign.subject_run import LEAST_LOOK, LOOK
from rnncheck.core.observation import equal
from rnncheck.engine import Inline, process
from rnncheck.engine.process import Worker
from rnncheck.engine.processes import Processes
from rnncheck.judging.judge import judge
from tests.engine.support import again, gru, prop, shape, workshop


def nap(trial):
    time.sleep(0.2)
    return equal("nothing", 0, 0)


def nap_again(trial):
    time.sleep(0.2)
    return equal("nothing", 0, 0)


def wrong(trial):
    time.sleep(0.05)
    return equal("time", trial.time < 2, True)


CALLS = []


def stuck_later(trial):
    CALLS.append(trial)
    if len(CALLS) > 2:
        time.sleep(100)
    return equal("nothing", 0, 0)


def stuck(trial):
    time.sleep(100)
    return equal("nothing", 0, 0)


def campaign(checks, budget, cases=200, progress=None, jobs=2, engine=Processes, started=None, **changes):
    properties = tuple(map(prop, checks))
    subject = gru()
    settings = Settings(properties, replace(PROFILES["smoke"], name="ci", cases=cases), budget=budget, **changes)
    shop = workshop(subject, catalog={p.id: p for p in properties})
    return Campaign([(subject, "cpu")], settings, progress, started).run(
        engine(shop, jobs) if engine is Processes else engine(shop)
    )


def verdicts(report):
    return {v.property: v for v in report.subjects[0].verdicts}


# in which order -------------------------------------------------------------------------------------------------------

COSTS = {"cheap": 1, "late": CHEAP, "middle": CHEAP + 1, "dear": DEAR}
KINDS = (("cheap",), ("cheap", "middle", "dear"), ("cheap",), ("cheap",), ("cheap", "late"))
PLAN = [Checks(i, f"case {i}", KINDS[i % len(KINDS)]) for i in range(50)]


def checks_of(blocks):
    return [(one.place, name) for block in blocks for one in block for name in one.properties]


def test_each_property_comes_once_before_any_comes_twice_and_dear_ones_after_the_first_cases():
    made = checks_of(breadth_first(PLAN, COSTS.__getitem__, whole=10))
    first = {name: made.index(next(check for check in made if check[1] == name)) for name in COSTS}
    assert made[:3] == [(0, "cheap"), (4, "late"), (1, "middle")]
    assert all(place < 10 for place, _ in made[3 : first["dear"]])
    assert {place for place, _ in made[: first["dear"]]} == set(range(10))


def test_no_check_is_lost_or_made_twice():
    made = checks_of(breadth_first(iter(PLAN), COSTS.__getitem__, whole=3))
    assert sorted(made) == sorted((one.place, name) for one in PLAN for name in one.properties)


def test_no_more_of_the_plan_is_asked_for_than_is_needed():
    asked = []
    plan = (asked.append(one) or Checks(len(asked), one.case, one.properties) for one in 100 * PLAN)
    made = list(islice(breadth_first(plan, COSTS.__getitem__), 40))
    assert len(made) == 40 and len(asked) < 200


def test_progress_is_seen_from_the_first_case_on():
    seen = []
    campaign((shape, again), 300.0, cases=12, progress=lambda what, done, planned: seen.append((done, planned)), engine=Inline)
    assert seen[0] == (1, 12) and seen[-1] == (12, 12)


# how long -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [(shape, nap), (shape, nap, wrong)])
def test_the_budget_is_kept_shrinking_included(checks):
    for _ in range(3):  # a machine with other things to do may hold one of them up
        started = time.monotonic()
        told = campaign(checks, 4.0, cases=10_000)
        took = time.monotonic() - started
        if took < 1.1 * 4.0 + 2.0:
            break
    assert 2.0 < took < 1.1 * 4.0 + 2.0
    assert told.stopped is None and told.exit_code == int(wrong in checks)


def wrong_too(trial):
    return equal("time", trial.time < 2, True)


def slowly_wrong(trial):
    time.sleep(0.5)
    return equal("time", trial.time < 2, True)


def out_of_time(checks, engine):
    """What is told where the time passes while the last case is judged."""

    def late(*_):
        campaign_at_work.pace.deadline = time.monotonic() - 0.1

    properties = {f"own.{check.__name__}": prop(check) for check in checks}
    settings = Settings((*properties.values(),), replace(PROFILES["smoke"], name="ci", cases=4), budget=300.0)
    campaign_at_work = Campaign([(gru(), "cpu")], settings, late)
    return verdicts(campaign_at_work.run(engine(workshop(gru(), catalog=properties))))


@pytest.mark.parametrize("engine", [Inline, Processes])
def test_the_case_of_each_cause_is_made_smaller_where_the_time_is_up(engine):
    told = out_of_time((wrong, wrong_too), engine)
    lead, follows = told["own.wrong"], told["own.wrong_too"]
    assert (lead.verdict, lead.case.time, lead.reason) == ("fails", 2, None)
    assert follows.verdict == "fails" and NO_TIME in follows.reason
    assert lead.case != follows.case  # how much smaller, the machine says


def test_no_more_than_a_moment_is_spent_on_that():
    started = time.monotonic()
    told = out_of_time((slowly_wrong,), Processes)["own.slowly_wrong"]
    assert told.verdict == "fails" and told.case.config.hidden_size > 1
    assert time.monotonic() - started < 4 * 0.5 + LONGEST_SURE + 3.0


def test_in_one_process_no_more_than_a_few_attempts_are_made_at_that(monkeypatch):
    tried = []
    monkeypatch.setattr("rnncheck.engine.jobs.judge", lambda prop, trial: tried.append(trial) or judge(prop, trial))
    assert out_of_time((slowly_wrong,), Inline)["own.slowly_wrong"].case.config.hidden_size > 1
    assert len(tried) < 10


@pytest.mark.parametrize(("budget", "kept"), [(5.0, 0.5), (20.0, 1.2), (100.0, 1.5)])
def test_what_is_under_way_has_a_moment_to_end_within_the_budget(budget, kept):
    pace = Pace(Settings((), budget=budget), 1, 100.0)
    assert pace.last_start() == pytest.approx(100.0 + budget - kept)


def test_the_time_counts_from_where_it_is_said_to():
    began = time.monotonic()
    with counted_from(began - 100):
        told = rnncheck.verify("torch.nn.GRU", properties="shape.output", budget=100.5, engine="inline")
    assert told.subjects[0].left > 0 and time.monotonic() - began < 60


@pytest.mark.parametrize("engine", [Inline, Processes])
def test_the_first_cases_are_judged_where_all_the_time_was_gone_before(engine):
    checks = (shape, again)
    with counted_from(time.monotonic() - 100):
        told = campaign(checks, 50.0, engine=engine, started=began())
    assert {v.verdict for v in verdicts(told).values()} == {"holds"}
    assert told.subjects[0].cases and told.subjects[0].left > 100


@pytest.mark.parametrize("cases", [20, 200])
def test_a_case_that_was_taken_and_not_begun_counts_as_left(cases):
    """Jobs are taken ahead of the workers; those that the end of the time finds waiting have begun nothing."""
    told = campaign((shape, nap), 1.0, cases=cases)
    (subject,) = told.subjects
    assert 0 < subject.cases < 20 and subject.cases + subject.left == cases


def test_a_slow_layer_takes_no_more_than_a_moment_where_the_time_is_gone():
    started = time.monotonic()
    told = campaign((nap, nap_again, stuck), 50.0, engine=Processes, started=started - 100)
    assert time.monotonic() - started < LOOK * (LEAST_LOOK + 2.0)
    assert verdicts(told)["own.nap"].verdict == "holds" and verdicts(told)["own.stuck"].verdict == "not_reached"


def test_a_number_of_cases_is_not_cut_short_by_the_profile():
    from rnncheck.campaign.options import profile_of

    assert profile_of("smoke").seconds == PROFILES["smoke"].seconds
    assert profile_of("smoke", cases=12).seconds == UNHURRIED
    assert profile_of("nightly", cases=12).seconds == 10 * PROFILES["nightly"].seconds
    assert profile_of("quick", cases=12).total == UNHURRIED and profile_of("ci", cases=12).total is None


def test_without_a_target_all_share_a_minute_and_a_half():
    told = rnncheck.verify(properties="mode.settings,clip.bound", max_examples=1, engine="inline")
    assert (told.profile, len(told.subjects)) == ("quick", 9)
    settings = Settings((), PROFILES["quick"])
    assert settings.seconds(9) == settings.seconds(1) <= 80


def test_the_import_of_a_target_is_named_and_does_not_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text("import time\nfrom torch import nn\ntime.sleep(2.5)\nclass Mine(nn.GRU):\n    pass\n")
    told = rnncheck.verify("slow.py:Mine", properties="shape.output", budget="12s", max_examples=3, engine="inline")
    assert told.environment["import"].endswith("for the import of the target, outside the budget")


@pytest.mark.parametrize(("gone", "said"), [(30, True), (0, False)])
def test_what_the_start_takes_of_a_budget_is_named_where_it_is_most_of_it(gone, said):
    with counted_from(time.monotonic() - gone):
        told = rnncheck.verify("torch.nn.GRU", properties="shape.output", budget=50.0, max_examples=2, engine="inline")
    assert ("s of the budget of 50 s were gone before the first case" in told.environment.get("start", "")) is said


# exit code ------------------------------------------------------------------------------------------------------------


def test_what_was_begun_and_not_finished_does_not_count():
    told = campaign((shape, stuck_later), 2.0)
    found = verdicts(told)
    assert (told.exit_code, told.stopped) == (0, None)
    assert (found["own.shape"].verdict, found["own.stuck_later"].verdict) == ("holds", "holds")


def test_what_never_came_to_an_end_is_not_reached_and_says_so():
    told = campaign((shape, stuck), 2.0)
    assert told.exit_code == 3 and told.stopped is None
    assert verdicts(told)["own.shape"].verdict == "holds"
    assert verdicts(told)["own.stuck"].verdict == "not_reached"
    assert "when the time was up" in verdicts(told)["own.stuck"].reason


def _busy(until):
    while time.monotonic() < until:
        pass


def test_the_same_exit_code_and_report_on_a_machine_with_much_to_do():
    def told():
        report = rnncheck.verify("torch.nn.RNN", properties="shape.*,time.split,gate.range", max_examples=6, jobs=2)
        data = report.to_json()
        data["subjects"][0].pop("seconds")
        return report.exit_code, json.dumps(data)

    idle = told()
    fork, until = multiprocessing.get_context("fork"), time.monotonic() + 60
    others = [fork.Process(target=_busy, args=(until,), daemon=True) for _ in range(4)]
    for other in others:
        other.start()
    try:
        assert told() == idle
    finally:
        for other in others:
            other.kill()
            other.join()


@pytest.mark.parametrize(("queued", "hung"), [(0.0, True), (1.0, False)])
def test_waiting_for_a_core_is_not_hanging(monkeypatch, queued, hung):
    """The parent's clock and the system's word on how long the worker waited are given here."""
    now, so_far = [100.0], [0.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(process, "waited", lambda pid: so_far[0])
    worker = Worker.__new__(Worker)
    worker.pid, worker.quiet, worker.looked, worker.queued, worker.entry = 1, 0.0, now[0], 0.0, "a check"
    worker.record = type("Record", (), {"read": lambda self: "a check"})()
    for _ in range(30):
        now[0] += 1.0
        so_far[0] += queued
        worker.look()
    assert (worker.quiet > 20) is hung


class OfOnesOwn(torch.nn.GRU):
    pass


@pytest.mark.parametrize(
    ("properties", "subjects", "imported"),
    [
        ("*", [gru()] * 3, [ALL]),
        ("*", [gru()] * 2, []),  # which say all that they offer
        ("shape.*", [gru()] * 3, []),
        ("shape.*", [OfOnesOwn], [PROBED]),
        ("time.*", [OfOnesOwn], []),
    ],
)
def test_what_several_processes_would_import_is_imported_once(monkeypatch, properties, subjects, imported):
    seen = []
    monkeypatch.setattr("rnncheck.campaign.verify.import_compilers", lambda modules=ALL: seen.append(modules))
    monkeypatch.setattr("rnncheck.campaign.verify.Campaign.run", lambda self, engine: engine.close())
    rnncheck.verify(subjects, properties=properties)
    assert seen == imported


def test_a_first_look_takes_up_to_three_times_its_time_rather_than_see_next_to_nothing():
    smoke, ci = PROFILES["smoke"], PROFILES["ci"]
    for profile, budget, longer in ((smoke, None, [True, True, False]), (smoke, 12.0, [False]), (ci, None, [False])):
        look = Campaign([(gru(), "cpu")], Settings((prop(nap),), profile, budget=budget))
        before = look.pace.deadline
        assert [look._lengthen() for _ in longer] == longer
        assert look.pace.deadline == pytest.approx(before + profile.seconds * longer.count(True))
