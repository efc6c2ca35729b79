"""Systems that give little: few descriptors, no processes, no streams, no folder; and what a subject leaves running there."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.nn.utils import clip_grad_norm_

import rnncheck
from rnncheck.engine.processes import room
from rnncheck.reading.calls.experiment import quiet
from rnncheck.running.subject_errors import subject_boundary
from rnncheck.system import fork, supervised
from rnncheck.system.descendants import children, descendants
from rnncheck.system.signals import children_reported, interruptible
from tests.command import QUICK, Command, verify
from tests.effort import some
from tests.engine.support import ended

CLIP = "torch.nn.utils.clip_grad_norm_"


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def no_news_of_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def no_process_more():
    def refuse():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    fork.make_process = refuse
    subprocess.Popen = lambda *a, **k: refuse()  # type: ignore[misc,assignment]


def no_streams():
    os.closerange(0, 3)
    sys.stdin = sys.stdout = sys.stderr = None  # as Python has them then


def no_folder():
    gone = Path.cwd() / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()


def no_home():
    os.environ.pop("HOME", None)
    os.environ.update(TMPDIR="/nowhere", HOME="/nowhere")


LITTLE = (few_files, no_news_of_children, no_process_more, no_streams, no_home)


@pytest.mark.parametrize("first", some(LITTLE, 2), ids=lambda first: first.__name__)
def test_little_is_enough(tmp_path, first):
    told = verify(tmp_path, CLIP, first=first)
    assert told.code == 0, told


def test_a_folder_that_was_removed_is_one_line(tmp_path):
    told = verify(tmp_path, CLIP, first=no_folder)
    assert told.code == 2 and told.err == "rnncheck: the current folder has been removed; change to one that exists\n", told


def test_workers_are_as_many_as_there_are_descriptors_for(monkeypatch):
    assert room() > 1
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    assert room() == 4
    monkeypatch.setattr(resource, "getrlimit", lambda which: (20, 20))
    assert room() == 1


def test_a_caller_that_ignores_its_children_is_left_as_it_was():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with children_reported():
            assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        report = rnncheck.verify(clip_grad_norm_, properties="clip.bound", max_examples=3, jobs=1)
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert report.exit_code == 0


@pytest.fixture
def left_behind(tmp_path):
    """Waits for the pid of a process that a subject has left, which has a session of its own."""
    sign = tmp_path / "pid"
    yield sign
    if sign.exists():
        pid = int(sign.read_text())
        if not ended(pid, 0.1):
            os.kill(pid, signal.SIGKILL)


def strays(sign: Path) -> None:
    """Start a process that leaves its group and its parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sign.write_text(str(os.getpid()))
            time.sleep(100)
        os._exit(0)
    while not (sign.exists() and sign.read_text()):
        time.sleep(0.01)


def test_what_left_its_workers_group_ends_with_it(left_behind):
    def clip(parameters, max_norm):
        if not left_behind.exists():
            strays(left_behind)
        return clip_grad_norm_(parameters, max_norm)

    assert rnncheck.verify(clip, properties="clip.bound", max_examples=3, jobs=1, kind="clip").exit_code == 0
    assert ended(int(left_behind.read_text()))


CRASHES = """
import os, subprocess, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.system.test_systems import strays

helper = subprocess.Popen(["sleep", "100"], start_new_session=True)
Path("helper").write_text(str(helper.pid))

def clip(parameters, max_norm):
    if not Path({sign!r}).exists():
        strays(Path({sign!r}))
    os.abort()
"""


def test_what_a_crashed_worker_has_left_ends_too(tmp_path, left_behind):
    (tmp_path / "mine.py").write_text(CRASHES.format(root=str(Path(__file__).parents[2]), sign=str(left_behind)))
    told = verify(tmp_path, "mine.py:clip")
    helper = int((tmp_path / "helper").read_text())
    assert told.code == 1 and "crashed" in told.out and not ended(helper, 0.1), told
    os.kill(helper, signal.SIGKILL)
    assert ended(int(left_behind.read_text()))


def test_children_of_children_are_found():
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(100)
        time.sleep(100)
    time.sleep(0.3)
    (child,) = children(os.getpid())
    found = descendants(os.getpid())
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(found) == 2


def forks_with(boundary, log):
    """In a process of its own: fork inside the boundary, and note every process that comes out of it."""
    with boundary:
        child = os.fork()
    with open(log, "a") as file:
        file.write(f"{child}\n")
    os._exit(0)


@pytest.mark.parametrize("boundary", [subject_boundary("calling"), quiet()], ids=["called", "read"])
def test_a_copy_that_a_subjects_fork_makes_does_not_go_on(tmp_path, boundary):
    log = tmp_path / "log"
    os.waitpid(fork.fork(lambda parent: forks_with(boundary, log)), 0)
    assert len(log.read_text().split()) == 1


@pytest.fixture
def heeded():
    """SIGINT is not ignored, as it is in what a script starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_only_the_first_signal_interrupts(heeded):
    with interruptible() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        with interruptible() as inner:
            assert inner is stop
        assert stop.wanted


SLOW = """
import time
from pathlib import Path
from torch.nn.utils import clip_grad_norm_

def clip(parameters, max_norm):
    Path("at work").touch()
    time.sleep(0.05)
    return clip_grad_norm_(parameters, max_norm)
"""


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT, signal.SIGTERM)])
def test_a_second_signal_right_after_the_first_leaves_a_report(tmp_path, numbers):
    (tmp_path / "mine.py").write_text(SLOW)
    words = (*QUICK[:-1], "2000", "--properties", "clip.bound,clip.one_vector", "--budget", "100s", "--json", "report.json")
    command = Command(tmp_path, "verify", "mine.py:clip", *words)
    deadline = time.monotonic() + 60
    while not (tmp_path / "at work").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.0)
    for number in numbers:
        os.kill(command.pid, number)
        time.sleep(0.02)
    told = command.wait(60)
    assert told.code == 3 and "interrupted" in told.out and (tmp_path / "report.json").stat().st_size > 100, told


def test_the_whole_command_with_an_exit_hook_that_would_make_it_green(tmp_path):
    code = "import atexit, os\n\n\ndef clip(parameters, max_norm):\n    return None\n\n\natexit.register(lambda: os._exit(0))\n"
    (tmp_path / "mine.py").write_text(code)
    words = ["verify", "mine.py:clip", *QUICK, "--properties", "clip.bound", "--budget", "100s"]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    told = subprocess.run([sys.executable, "-W", "ignore", "-m", "rnncheck", *words], cwd=tmp_path, env={**os.environ, **path},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert told.returncode == 1 and "clip.bound" in told.stdout, told


def test_a_process_that_is_supervised_says_so():
    assert not supervised.is_supervised() and supervised.import_seconds() == supervised.USUAL_SECONDS
