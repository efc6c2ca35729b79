"""Subjects that crash, hang, leak, flood, fork and corrupt: each gets its verdict, and no other a wrong one."""

import ctypes
import os
import signal
import sys
import time

import pytest
import torch

from rnncheck.engine import Inline
from rnncheck.engine.memory import GIB, resident
from rnncheck.engine.processes import Processes
from tests.engine.support import CASES, IDS, at, gru, judging, misbehaving, results, told, workshop

LIBC = ctypes.CDLL(None)
LIMIT = 1.5
OURS_FROM = 200  # rnncheck.engine.worker.HIGH


def segfault():
    ctypes.string_at(0)


def abort():
    print("the last words of abort", file=sys.stderr)
    os.abort()


def divide_by_zero():
    os.kill(os.getpid(), signal.SIGFPE)


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exit_quietly():
    os._exit(0)


def close_our_pipes():
    os.closerange(OURS_FROM, OURS_FROM + 20)


def write_into_our_pipes():
    for fd in range(OURS_FROM, OURS_FROM + 3):
        try:
            os.write(fd, b"\xff" * 64)
        except OSError:
            continue  # the one that jobs come through


def lose_the_cuda_context():
    """As a kernel that fails does it: from then on every call fails, whoever makes it."""

    def synchronize():
        raise RuntimeError("CUDA error: device-side assert triggered")

    torch.cuda.is_initialized = lambda: True
    torch.cuda.synchronize = synchronize


def leak():
    held = []
    while True:
        held.append(torch.ones(1 << 24))


def sleep_in_c():
    LIBC.sleep(1000)


def sleep_in_c_with_the_lock():
    ctypes.PyDLL(None).sleep(1000)


def endless_operation():
    torch.zeros(1).expand(10**13).sum()


def endless_python():
    while True:
        pass


def print_a_gigabyte():
    for _ in range(1024):
        sys.stdout.buffer.write(b"x" * (1 << 20))


def close_the_outputs():
    os.closerange(1, 3)
    sys.stdout.close()


def close_low_files():
    os.closerange(3, OURS_FROM)


def fork_and_go_on():
    os.fork()


def fork_and_wait():
    if os.fork() == 0:
        time.sleep(1000)


def change_the_flags():
    torch.manual_seed(12345)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)


def replace_torch():
    torch.tanh = torch.Tensor.add = None


class Stop(BaseException):
    pass


def raise_base():
    raise Stop("no further")


def raise_interrupt():
    raise KeyboardInterrupt


def raise_exit():
    sys.exit(0)


def raise_generator_exit():
    raise GeneratorExit


CRASHED = {
    segfault: ("SIGSEGV", "in segfault"),
    abort: ("SIGABRT", "the last words of abort"),
    divide_by_zero: ("SIGFPE",),
    be_killed: ("SIGKILL", "for lack of memory?"),
    exit_quietly: ("ended itself with exit code 0",),
    leak: ("more than 0.5 GiB of memory",),
}
GARBLED = {
    close_our_pipes: ("Bad file descriptor",),
    write_into_our_pipes: ("no longer knew what it did",),
    lose_the_cuda_context: ("the CUDA context can no longer be used", "device-side assert triggered"),
}
HUNG = {
    sleep_in_c: ("did not end within", "in sleep_in_c"),
    sleep_in_c_with_the_lock: ("in sleep_in_c_with_the_lock",),
    endless_operation: ("in endless_operation",),
    endless_python: ("in endless_python",),
}
ERRORED = {
    raise_base: ("Stop while calling: no further",),
    raise_interrupt: ("KeyboardInterrupt while calling",),
    raise_exit: ("SystemExit while calling: 0",),
    raise_generator_exit: ("GeneratorExit while calling",),
}
FINE = (close_the_outputs, close_low_files, fork_and_go_on, fork_and_wait, change_the_flags)
DEAD = {**dict.fromkeys(CRASHED, "crashed"), **dict.fromkeys(HUNG, "hung")}
WORDS = {**CRASHED, **HUNG}
ALL = (*CRASHED, *GARBLED, *HUNG, *ERRORED, *FINE, replace_torch)


@pytest.fixture(scope="module")
def judged():
    """{act: Done} of every subject of this file, and what came of a well-behaved one after each; by two workers."""
    subjects = [subject for act in ALL for subject in (misbehaving(act), gru())]
    engine = Processes(workshop(*subjects), 2, case_seconds=LIMIT, memory=GIB // 2)
    done = results(engine, (judging(i, i) for i in range(len(subjects))))
    return dict(zip(ALL, done[::2], strict=True)), done[1::2]


@pytest.fixture(scope="module")
def as_ever():
    return told(results(Inline(workshop(gru())), [judging(0, 0, ids=IDS[:2])])[0])


@pytest.mark.parametrize("act", DEAD, ids=lambda act: act.__name__)
def test_dead(judged, act):
    """The run itself kills or hangs: the first property gets the verdict and the case, the others there are skipped."""
    status, reason = at(judged[0][act], 1)[IDS[0]]
    assert status == DEAD[act]
    assert all(word in reason for word in WORDS[act]), reason
    assert list(at(judged[0][act], 1)) == [IDS[0]]


@pytest.mark.parametrize("act", DEAD, ids=lambda act: act.__name__)
def test_what_is_left_of_the_job_is_done(judged, act):
    assert at(judged[0][act], 0) == dict.fromkeys(IDS, ("holds", None))
    assert at(judged[0][act], 2) == dict.fromkeys(IDS[1:], ("holds", None))
    assert judged[0][act].lost is None


@pytest.mark.parametrize("act", GARBLED, ids=lambda act: act.__name__)
def test_who_damages_the_way_back_loses_each_check(judged, act):
    """The run is made, but no outcome of this worker is to be had; after three the subject is left alone."""
    found = at(judged[0][act], 1)
    assert [found[id][0] for id in IDS] == ["crashed"] * 3
    assert all(word in found[IDS[0]][1] for word in GARBLED[act]), found
    assert at(judged[0][act], 2) == {}


@pytest.mark.parametrize("act", ERRORED, ids=lambda act: act.__name__)
def test_whatever_is_raised_is_the_subjects(judged, act):
    found = at(judged[0][act], 1)
    assert [found[id][0] for id in IDS] == ["errored", "errored", "holds"]
    assert all(word in found[IDS[0]][1] for word in ERRORED[act]), found
    assert f"in {act.__name__}" in found[IDS[0]][1]


@pytest.mark.parametrize("act", FINE, ids=lambda act: act.__name__)
def test_harmless(judged, act):
    assert all(outcome.status == "holds" for _, outcome in judged[0][act].outcomes), judged[0][act].outcomes
    assert len(judged[0][act].outcomes) == len(CASES) * len(IDS)


def test_a_gigabyte_is_read_and_forgotten():
    engine = Processes(workshop(misbehaving(print_a_gigabyte)), 1)
    started, before = time.monotonic(), resident(os.getpid())
    (done,) = results(engine, [judging(0, 0, ids=IDS[:1])])
    assert told(done) == [(place, IDS[0], "holds") for place in range(3)]
    assert time.monotonic() - started < 20
    assert resident(os.getpid()) - before < GIB // 8


def test_beside_them(judged, as_ever):
    """Each well-behaved subject, after one that is not, is judged as it is alone."""
    for done in judged[1]:
        assert [line for line in told(done) if line[1] in IDS[:2]] == as_ever
        assert at(done, 0)["own.flags"] == ("holds", None)


def test_nothing_is_left_behind(judged):
    from tests.engine.support import children

    assert children() == set()
