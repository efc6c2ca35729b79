"""Which engine a name gives, what it says where it is another one, and the workers of a fresh process."""

import ctypes
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import torch

from rnncheck.engine import Inline, make_engine, select
from rnncheck.engine.processes import Processes, WorkerMistake
from rnncheck.engine.spawned import Spawned
from rnncheck.errors import UsageError
from tests.engine.support import IDS, at, children, ended, gru, judging, misbehaving, results, told, workshop


def crash():
    ctypes.string_at(0)


def test_by_name():
    assert isinstance(make_engine("inline", workshop(gru())), Inline)
    assert isinstance(made := make_engine("processes", workshop(gru()), 1), Processes)
    assert made.note is None
    assert made.jobs == 1
    with pytest.raises(UsageError, match="engine = 'threads', but should be one of processes, inline, ray"):
        make_engine("threads", workshop(gru()))


def test_the_options_arrive():
    made = make_engine("processes", workshop(gru()), case_seconds=3.0, memory=1 << 30)
    assert (made.case_seconds, made.memory, made.jobs) == (3.0, 1 << 30, len(os.sched_getaffinity(0)))


def test_a_fork_of_this_process_works():
    torch.ones(2, requires_grad=True).sum().backward()
    assert select.why_not_fork("cpu") is None


def test_a_device_that_a_fork_cannot_use():
    reason = select.why_not_fork("meta:x") if torch.cuda.is_available() else select.why_not_fork("cuda")
    assert reason is not None and "torch does not work in a fork of this process" in reason


def test_a_fork_that_hangs(monkeypatch):
    monkeypatch.setattr(select, "TRIAL_SECONDS", 0.2)
    monkeypatch.setattr(select, "_try_out", lambda device: ctypes.CDLL(None).sleep(1000))
    assert select.why_not_fork() == "torch hangs in a fork of this process (device cpu)"
    assert children() == set()


def test_where_a_fork_will_not_do_a_fresh_process_forks(monkeypatch):
    """The same outcomes, a crash included, from subjects whose classes the fresh process cannot import."""
    monkeypatch.setattr(select, "why_not_fork", lambda device: "CUDA is in use here")
    shop = workshop(gru(), misbehaving(crash))
    engine = make_engine("processes", shop, 2)
    assert isinstance(engine, Spawned)
    assert engine.note == "workers of a fresh process, since CUDA is in use here"
    jobs = [judging(i, i % 2, ids=IDS[:2]) for i in range(4)]
    with closing(engine):
        done = list(engine.run(jobs))
        assert [d.job for d in done] == jobs
        assert told(done[0]) == told(results(Inline(shop), jobs[:1])[0])
        assert at(done[1], 1)[IDS[0]][0] == "crashed"
        next(iter(engine.run(jobs)))  # abandoned
        assert told(*engine.run(jobs[:1])) == told(done[0])
        manager = engine.process.pid
        workers = children(manager)
    assert workers
    assert all(ended(pid) for pid in (manager, *workers))


def test_where_nothing_can_be_isolated_it_is_said(monkeypatch):
    lock = threading.Lock()

    def holds_a_lock():
        return lock

    monkeypatch.setattr(select, "why_not_fork", lambda device: "CUDA is in use here")
    engine = make_engine("processes", workshop(misbehaving(holds_a_lock)))
    assert isinstance(engine, Inline)
    assert engine.note.startswith("in this process, without isolation, since CUDA is in use here, and a subject cannot be")


def test_a_system_that_cannot_fork():
    """Everything but isolation is there, and its absence is said."""
    lines = (
        "import torch, os, sys",
        "del os.fork, os.sysconf",
        "sys.modules['fcntl'] = None",
        "from tests.engine.support import *",
        "from rnncheck.engine import make_engine",
        "engine = make_engine('processes', workshop(gru()))",
        "print(engine.note, [d.outcomes[0][1].status for d in engine.run([judging(0, 0)])])",
    )
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "in this process, without isolation, since this system cannot fork ['holds']"


def test_a_workshop_that_cannot_be_unpacked():
    with pytest.raises(WorkerMistake, match="UnpicklingError|EOFError"):
        Spawned(b"no pickle")
    assert children() == set()


def test_no_orphan_of_a_fresh_process_survives():
    lines = (
        "import time",
        "from rnncheck.engine.serialise import pack",
        "from tests.engine.test_make import *",
        "engine = Spawned(pack(workshop(gru())), 1)",
        "coming = engine.run(judging(i, 0) for i in range(9))",
        "next(coming)",
        "print(engine.process.pid, *children(engine.process.pid), flush=True)",
        "time.sleep(1000)",
    )
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    parent = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) >= 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(ended(pid) for pid in pids)
