"""Whole campaigns on the engine of isolated workers: the same whatever the number of workers, and told when stopped."""

import ctypes
import os
import signal
import time
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.campaign.campaign import PROFILES, Campaign, Settings
from rnncheck.core.observation import equal, near
from rnncheck.engine import Inline
from rnncheck.engine.processes import Processes
from rnncheck.judging import explain
from tests.command import Command
from tests.engine.support import CATALOG, again, children, ended, gru, misbehaving, prop, shape, workshop


def crash():
    ctypes.string_at(0)


def sleep():
    ctypes.CDLL(None).sleep(1000)


def small(trial):
    return equal("time", trial.time < 3, True)


def shapeless(trial):
    return shape(trial)


CHECKS = {p.id: p for p in (*CATALOG.values(), *map(prop, (small, shapeless)))}
LATE = 12.0
"""Seconds that a slow machine may need beyond a budget, to end what hangs."""
SETTINGS = Settings(tuple(CHECKS.values()), replace(PROFILES["smoke"], cases=16, attempts=10), budget=300.0)


def report(subjects, engine, **changes):
    return Campaign([(subject, "cpu") for subject in subjects], replace(SETTINGS, **changes)).run(engine)


def timeless(report):
    data = report.to_json()
    for subject in data["subjects"]:
        del subject["seconds"]
    return data


def verdicts(report, place=0):
    return {v.property: v.verdict for v in report.subjects[place].verdicts}


def test_identical_with_one_worker_and_with_two():
    """Counts, verdicts, minimal cases and reasons, with a property that fails and a subject that crashes."""
    subjects = (gru(), misbehaving(crash))
    few = replace(SETTINGS.profile, cases=6, attempts=3)
    one, two = (report(subjects, Processes(workshop(*subjects, catalog=CHECKS), jobs), profile=few) for jobs in (1, 2))
    assert timeless(one) == timeless(two)
    assert verdicts(one) == {"own.shape": "holds", "own.again": "holds", "own.flags": "holds", "own.small": "fails",
                             "own.shapeless": "holds"}  # fmt: skip
    assert list(verdicts(one, 1).values()).count("crashed") == 3
    assert one.subjects[1].cases < one.subjects[0].cases
    assert one.exit_code == 1
    assert children() == set()


def test_the_same_report_as_inline():
    """Also in a process of several threads: a sum that threads share is rounded otherwise, and a fork keeps what was computed."""
    torch.set_num_threads(2)
    subjects = (gru(),)
    properties = tuple(map(prop, (shape, again, small)))
    checks = {p.id: p for p in properties}
    shop = workshop(*subjects, catalog=checks)
    inline, isolated = (report(subjects, make(shop), properties=properties) for make in (Inline, Processes))
    assert timeless(inline) == timeless(isolated)
    assert torch.get_num_threads() == 2


class TwoDefects(nn.GRU):
    """Raises where there are two layers; and elsewhere where there are two directions."""

    def forward(self, input, hx=None):
        if self.num_layers == 2:
            raise ValueError(f"no second layer for {self.weight_ih_l0.dtype} and {self.input_size} features")
        if self.bidirectional:
            raise ValueError("no reverse direction")
        return super().forward(input, hx)


def test_what_a_subject_raises_is_one_defect_each_and_the_rest_is_judged():
    subject = torch_like(TwoDefects, ("GRU",), "two defects")
    checks = {p.id: p for p in map(prop, (shape, again, shapeless))}
    told = report((subject,), Inline(workshop(subject, catalog=checks)), properties=tuple(checks.values()))
    shown = {v.property: (v.verdict, (v.reason or "").splitlines()[0]) for v in told.subjects[0].verdicts}
    raised = {reason.partition(" for ")[0] for verdict, reason in shown.values() if verdict == "errored"}
    assert raised == {"ValueError while calling: no second layer", "ValueError while calling: no reverse direction"}
    assert list(verdicts(told).values()).count("errored") == 2
    assert shown["own.shapeless"] == ("holds", "10 more raised: see own.again, own.shape")


def test_a_property_that_is_barred_on_every_case_is_not_green():
    def never(input):
        raise ValueError("not today")

    subject = torch_like(type("Never", (nn.GRU,), {"forward": lambda self, input, hx=None: never(input)}), ("GRU",), "never")
    checks = {p.id: p for p in map(prop, (shape, again))}
    told = report((subject,), Inline(workshop(subject, catalog=checks)), properties=tuple(checks.values()))
    first, second = told.subjects[0].verdicts
    assert (first.verdict, second.verdict) == ("errored", "not_reached")
    assert second.reason == "the subject raised on every case tried: see own.shape"


class NoEmptyBatch(nn.Module):
    """Looks for the largest number of its input, of which an empty batch has none."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))

    def forward(self, x: Float[Tensor, "batch time units"]) -> Float[Tensor, "batch time units"]:
        assert x.detach().max() < 1e9
        return (self.weight * x).cumsum(1)


def test_what_is_barred_by_a_convention_alone_is_not_missing():
    told = rnncheck.verify(NoEmptyBatch, properties="shape.output,batch.empty*", engine="inline", max_examples=6)
    assert verdicts(told) == {"shape.output": "holds", "batch.empty": "warns", "batch.empty_backward": "not_applicable"}
    assert told.exit_code == 0


def test_a_mistake_in_explaining_costs_no_verdict(monkeypatch):
    def broken(*_):
        raise TypeError("no such thing")

    monkeypatch.setattr(explain, "script", broken)
    subjects = (gru(),)
    told = report(subjects, Inline(workshop(*subjects, catalog=CHECKS)))
    failed = next(v for v in told.subjects[0].verdicts if v.property == "own.small")
    assert failed.verdict == "fails" and failed.property == "own.small" and failed.case.time == 3
    assert "not explained further: a mistake of rnncheck" in failed.reason and "no such thing" in failed.reason


def test_a_crash_is_shrunk_and_saved(tmp_path):
    subjects = (misbehaving(crash),)
    told = report(subjects, Processes(workshop(*subjects, catalog=CHECKS), 2), folder=tmp_path)
    crashed = [v for v in told.subjects[0].verdicts if v.verdict == "crashed"]
    assert len(crashed) == 3
    assert all("SIGSEGV" in v.reason for v in crashed)
    assert all(v.case.config.input_size in (4, 5) and v.case.config.hidden_size == 1 for v in crashed)
    assert len(list((tmp_path / "failing").glob("*.json"))) == len(told.failures) >= 3
    left = [v for v in told.subjects[0].verdicts if v.verdict == "not_reached"]
    assert all(v.reason == "given up after 3 crashes or hangs" for v in left)


def test_the_budget_is_kept_by_a_subject_that_hangs():
    subjects = (misbehaving(sleep), gru())
    engine = Processes(workshop(*subjects, catalog=CHECKS), 2, case_seconds=1.0)
    started = time.monotonic()
    told = report(subjects, engine, budget=4.0)
    took = time.monotonic() - started
    assert took < 4 + LATE
    assert "hung" in verdicts(told).values()
    assert "hung" not in verdicts(told, 1).values()


def test_cases_without_time_are_counted():
    def slow():
        time.sleep(0.1)

    subject = misbehaving(slow)
    short, long = (
        report((subject,), Inline(workshop(subject, catalog=CHECKS)), profile=replace(SETTINGS.profile, cases=cases), budget=budget)
        for cases, budget in ((1000, 1.5), (8, 300.0))
    )
    assert short.subjects[0].left > 500 and short.subjects[0].cases + short.subjects[0].left <= 1000
    assert long.subjects[0].left == 0


def without_end(sign):
    """Run a campaign until it is interrupted, and say what came of it."""

    def slow():
        sign.touch()
        time.sleep(0.2)

    subjects = (misbehaving(slow), gru())
    engine = Processes(workshop(*subjects, catalog=CHECKS), 2)
    told = report(subjects, engine, profile=replace(PROFILES["smoke"], cases=10_000))
    print("stopped:", told.stopped, "exit:", told.exit_code, "verdicts:", verdicts(told, 1))
    print("left:", sorted(children()))
    return 0


@pytest.fixture
def campaign(tmp_path):
    """A campaign without end in a process of its own, at work; it can be interrupted even if these tests cannot (nohup)."""
    sign = tmp_path / "at work"
    process = Command(tmp_path, run=lambda: without_end(sign))
    deadline = time.monotonic() + 60
    while not sign.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    yield process
    if not ended(process.pid, 0.1):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(campaign, number):
    workers = children(campaign.pid)
    assert workers
    os.kill(campaign.pid, number)
    output = campaign.wait(30).out
    assert "stopped: interrupted" in output
    assert "'own.shape': 'holds'" in output
    assert "left: []" in output
    assert all(ended(pid) for pid in workers)


def test_no_orphan_survives_a_killed_parent(campaign):
    workers = children(campaign.pid)
    assert workers
    os.kill(campaign.pid, signal.SIGKILL)
    campaign.wait()
    assert all(ended(pid) for pid in workers)


class Careless:
    """Gets an interrupt where Python drops it."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # here, if not before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_is_not_lost():
    calls = []

    def progress(*told):
        calls.append(told)
        if len(calls) == 2:
            Careless()

    before = signal.signal(signal.SIGINT, handler := signal.default_int_handler)
    try:
        told = rnncheck.verify("torch.nn.GRU", properties="shape.output", engine="inline", max_examples=200, progress=progress)
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told.stopped == "interrupted" and told.exit_code == 3
    assert len(calls) < 10 and after is handler


def test_a_mistake_in_weighing_is_told_of_that_property_alone():
    """An observation that cannot be weighed (allowed errors of another shape) ends neither the run nor the other verdicts."""

    def unweighable(trial):
        return near("output", trial.run.output, trial.run.output + 1, trial.run.output.new_zeros(7, 7, 7, 7))

    subject = gru()
    checks = {p.id: p for p in map(prop, (shape, unweighable))}
    told = report((subject,), Inline(workshop(subject, catalog=checks)), properties=tuple(checks.values()))
    assert verdicts(told) == {"own.shape": "holds", "own.unweighable": "errored"}
    assert any("a mistake of rnncheck" in (v.reason or "") for v in told.subjects[0].verdicts)
