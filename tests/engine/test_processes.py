"""The engine of isolated workers: order, laziness, time, and what becomes of jobs that a worker does not survive."""

import ctypes
import math
import os
import time
from contextlib import closing

import pytest

from rnncheck.core.observation import equal
from rnncheck.core.property import Property
from rnncheck.engine import Inline, Job
from rnncheck.engine.processes import AHEAD, Processes, WorkerMistake
from tests.engine.support import (
    CASES,
    CATALOG,
    IDS,
    LARGE,
    again,
    at,
    children,
    gru,
    judging,
    misbehaving,
    prop,
    results,
    shape,
    told,
    workshop,
)


def crash():
    ctypes.string_at(0)


def sleep():
    ctypes.CDLL(None).sleep(1000)


def test_the_same_as_inline():
    jobs = [judging(i, 0) for i in range(5)]
    inline = results(Inline(workshop(gru())), [judging(i, 0, ids=IDS[:2]) for i in range(5)])
    for isolated in (1, 2):
        done = results(Processes(workshop(gru()), isolated), jobs)
        assert [d.job for d in done] == jobs
        assert [[line for line in told(d) if line[1] != IDS[2]] for d in done] == [told(d) for d in inline]


def test_results_come_in_the_order_of_the_jobs():
    def nap():
        time.sleep(0.5)

    jobs = [judging(0, 0, CASES[1:2]), *(judging(i, 1, CASES[:1]) for i in range(1, 5))]
    assert [d.job.index for d in results(Processes(workshop(misbehaving(nap), gru()), 2), jobs)] == [0, 1, 2, 3, 4]


def test_jobs_are_taken_lazily():
    taken = []

    def endless():
        for i in range(10**6):
            taken.append(i)
            yield judging(i, 0, CASES[:1], IDS[:1])

    with closing(Processes(workshop(gru()), 2)) as engine:
        for given, _ in zip(range(10), engine.run(endless()), strict=False):
            assert len(taken) <= given + 1 + 2 * AHEAD
    assert children() == set()


def test_a_check_does_not_hang_where_no_time_was_left_for_it():
    """Even where the subject's probe has hung: all of the time may have gone to the probe."""

    def nap():
        time.sleep(0.2)

    job = judging(0, 0, CASES[1:2], seconds=-1.0, least=2.0, doubtful=True)
    (done,) = results(Processes(workshop(misbehaving(nap)), 1), [job])
    assert done.outcomes and "hung" not in {outcome.status for _, outcome in done.outcomes}


def test_one_worker_serves_one_subject():
    def pid(trial):
        return equal("pid", os.getpid(), trial.subject.name)

    who = {"own.pid": prop(pid)}
    done = results(Processes(workshop(gru(), gru(), catalog=who), 1), [judging(i, i % 2, ids=who) for i in range(4)])
    pids = [{o.mismatches for _, o in d.outcomes} for d in done]
    assert [len(p) for p in pids] == [1, 1, 1, 1]
    assert pids[0] == pids[2] != pids[1] == pids[3]


def test_a_worker_that_died_without_work_is_replaced():
    with closing(Processes(workshop(gru()), 1)) as engine:
        list(engine.run([judging(0, 0)]))
        (worker,) = engine.idle
        os.kill(worker.pid, 9)
        (done,) = engine.run([judging(1, 0)])
    assert told(done) == [(p, id, "holds") for p in range(3) for id in IDS]


def test_a_check_of_a_property_that_crashes_alone():
    """Where the run is sound and one property's own call crashes, the others of that case are judged all the same."""

    def second_call_crashes(trial):
        crash()

    catalog = {p.id: p for p in map(prop, (shape, second_call_crashes, again))}
    (done,) = results(Processes(workshop(gru(), catalog=catalog), 1), [judging(0, 0, ids=catalog)])
    assert {id: status for id, (status, _) in at(done, 0).items()} == {
        "own.shape": "holds", "own.second_call_crashes": "crashed", "own.again": "holds"}  # fmt: skip
    assert list(at(done, 1)) == ["own.shape", "own.again"]  # it has failed: the rest of the job goes without it


def test_a_subject_is_given_up():
    """Three properties have crashed in this job: what is left of it, and of jobs that were made before, is not done."""
    big = [case.but(input_size=5) for case in CASES] * 2
    first, second = results(Processes(workshop(misbehaving(crash)), 1), [judging(0, 0, big), judging(1, 0, big)])
    assert [o.status for _, o in first.outcomes] == ["crashed"] * 3
    assert len({o.property for _, o in first.outcomes}) == 3
    assert second.outcomes == ()


def test_what_hangs_is_not_begun_again_in_jobs_that_wait():
    started = time.monotonic()
    jobs = [judging(i, 0, CASES[1:2], IDS[:1]) for i in range(3)]
    done = results(Processes(workshop(misbehaving(sleep)), 1, case_seconds=0.5), jobs)
    assert [told(d) for d in done] == [[(0, IDS[0], "hung")], [], []]
    assert time.monotonic() - started < 5


def test_a_costly_property_is_given_more_time():
    def nap(trial):
        time.sleep(1.0)
        return equal("nothing", 0, 0)

    for cost, status in ((1, "hung"), (1000, "holds")):
        catalog = {"own.nap": prop(nap, cost=cost)}
        engine = Processes(workshop(gru(), catalog=catalog), 1, case_seconds=0.5)
        (done,) = results(engine, [judging(0, 0, CASES[:1], catalog)])
        assert told(done) == [(0, "own.nap", status)]


def test_two_workers_take_half_the_time():
    """Of checks that wait instead of computing, so that it does not matter what else this machine has to do."""

    def nap(trial):
        time.sleep(0.02)
        return equal("nothing", 0, 0)

    catalog = {"own.nap": prop(nap)}
    taken = []
    for workers in (1, 2):
        started = time.monotonic()
        jobs = [judging(i, 0, CASES[:1] * 4, catalog) for i in range(8 * AHEAD)]  # many more than one worker is given at once
        results(Processes(workshop(gru(), catalog=catalog), workers), jobs)
        taken.append(time.monotonic() - started)
    assert taken[1] / taken[0] < 0.7


def test_when_the_time_is_up_nothing_more_is_begun():
    def nap(trial):
        time.sleep(0.2)
        return equal("nothing", 0, 0)

    catalog = {"own.nap": prop(nap)}
    jobs = [judging(i, 0, CASES * 10, catalog, seconds=1.0) for i in range(3)]
    started = time.monotonic()
    done = results(Processes(workshop(gru(), catalog=catalog), 1), jobs)
    assert time.monotonic() - started < 3
    assert 1 <= len(done[0].outcomes) <= 6
    assert [len(d.outcomes) for d in done[1:]] == [0, 0]
    assert [d.lost for d in done] == [None] * 3


def test_what_does_not_end_when_the_time_is_up_is_told():
    (done,) = results(Processes(workshop(misbehaving(sleep)), 1), [judging(0, 0, CASES[1:2], seconds=0.3)])
    assert done.outcomes == () and done.lost is None
    assert done.cut is not None and done.cut[0] == "run" and "when the time was up" in done.cut[1]


@pytest.mark.parametrize(("act", "words"), [(crash, ("crashed", "SIGSEGV")), (sleep, ("hung", "did not end"))])
def test_a_probe_that_does_not_survive(act, words, monkeypatch):
    monkeypatch.setattr("rnncheck.engine.processes.PROBE_SECONDS", 0.5)
    shop = workshop(gru())
    shop = type(shop)(shop.subjects, shop.catalog, lambda subject: act())
    (done,) = results(Processes(shop, 1, case_seconds=0.5), [Job(0, "probe", 0)])
    assert done.claims is None
    assert done.lost is not None and all(word in done.lost for word in words)


def test_a_probe_takes_no_longer_than_its_job():
    shop = workshop(gru())
    shop = type(shop)(shop.subjects, shop.catalog, lambda subject: sleep())
    (done,) = results(Processes(shop, 1), [Job(0, "probe", 0, seconds=0.5)])
    assert done.lost is not None and "did not end within 0.5 s" in done.lost


def test_a_probe():
    (done,) = results(Processes(workshop(gru()), 1), [Job(0, "probe", 0)])
    assert done.claims == gru().claims


def test_a_mistake_of_ours_is_raised_with_its_traceback():
    with pytest.raises(WorkerMistake, match="in a worker:(.|\n)*KeyError: 'own.absent'"):
        results(Processes(workshop(gru()), 1), [judging(0, 0, ids=["own.absent"])])
    assert children() == set()


def test_a_case_that_cannot_be_built_here_is_not_reached():
    (done,) = results(Processes(workshop(gru()), 1), [judging(0, 0, [CASES[0].but(time=10**12), CASES[0]], IDS[:1])])
    assert told(done) == [(0, IDS[0], "not_reached"), (1, IDS[0], "holds")]
    assert "the case cannot be built here: " in at(done, 0)[IDS[0]][1]


def test_abandoned_halfway():
    """A caller that stops listening leaves no work behind, and the engine can be used again."""
    with closing(Processes(workshop(gru()), 2)) as engine:
        next(iter(engine.run(judging(i, 0) for i in range(20))))
        assert told(*engine.run([judging(0, 0, CASES[:1])])) == [(0, id, "holds") for id in IDS]
    assert children() == set()


def test_shrinking_what_merely_fails():
    def small(trial):
        return equal("input_size", trial.config.input_size < 4, True)

    catalog = {"own.small": prop(small)}
    job = Job(0, "shrink", 0, (CASES[1],), (("own.small",),), 300, math.inf)
    (done,) = results(Processes(workshop(gru(), catalog=catalog), 1), [job])
    assert done.shrunk.case.config.input_size == 4
    assert done.shrunk.case.time == 1
    assert told(done) == [(0, "own.small", "fails")]


@pytest.mark.parametrize("known", [True, False])
def test_shrinking_what_crashes(known):
    """To the smallest case that crashes, whether or not this engine has seen it crash."""
    with closing(Processes(workshop(misbehaving(crash)), 1)) as engine:
        if known:
            list(engine.run([judging(0, 0, CASES[1:2])]))
        (done,) = engine.run([Job(1, "shrink", 0, (CASES[1],), ((IDS[0],),), 300, 60.0)])
    assert done.shrunk.case.config == LARGE.but(input_size=4, hidden_size=1)
    assert (done.shrunk.case.time, done.shrunk.case.batch, done.shrunk.case.hx) == (1, None, "none")
    assert told(done) == [(0, IDS[0], "crashed")]
    assert "SIGSEGV" in done.outcomes[0][1].reason
    assert children() == set()


def test_shrinking_what_hangs():
    case = CASES[1]
    with closing(Processes(workshop(misbehaving(sleep)), 1, case_seconds=1.0)) as engine:
        list(engine.run([judging(0, 0, (case,), IDS[:1])]))
        (done,) = engine.run([Job(1, "shrink", 0, (case,), ((IDS[0],),), 300, 6.0)])
    assert told(done) == [(0, IDS[0], "hung")]
    assert done.shrunk.case.config.input_size >= 4
    assert done.shrunk.case != case  # how far it comes within its seconds, the machine says
    assert children() == set()


def test_a_case_that_hangs_is_waited_for_once_if_it_is_not_to_be_shrunk():
    started = time.monotonic()
    job = Job(0, "shrink", 0, (CASES[1],), ((IDS[0],),), 0)
    (done,) = results(Processes(workshop(misbehaving(sleep)), 1, case_seconds=1.5), [job])
    assert 1.5 < time.monotonic() - started < 2 * 1.5 + 2  # it would be three times
    assert told(done) == [(0, IDS[0], "hung")]
    assert done.shrunk.case == CASES[1]


def test_a_failing_case_whose_simpler_neighbours_crash():
    """The smallest case that fails, though attempts on the way to it die: they are made in processes of their own."""

    def fragile(trial):
        if trial.time == 2:
            crash()
        return equal("time", trial.time < 2, True)

    catalog = {"own.fragile": Property("own.fragile", "", "", "", "invariant", CATALOG[IDS[0]].applies, fragile)}
    job = Job(0, "shrink", 0, (CASES[1],), (("own.fragile",),), 300, 60.0)
    (done,) = results(Processes(workshop(gru(), catalog=catalog), 1), [job])
    assert told(done) == [(0, "own.fragile", "fails")]
    assert done.shrunk.case.time == 3
    assert done.shrunk.case.config.input_size == 1
