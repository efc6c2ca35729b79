"""Targets that end, stop or damage the process while they are imported: one line and exit code 2, and never 0."""

import os
import threading
import time

import pytest

from rnncheck import UsageError
from rnncheck import verify as verify_here
from rnncheck.system.supervised import IMPORT_SECONDS, supervised
from tests.command import Command, Ended, rnncheck, verify
from tests.effort import some

CLIP = "\nfrom torch.nn.utils import clip_grad_norm_ as clip\n"


def importing(folder, code: str, first=lambda: None) -> Ended:
    (folder / "mine.py").write_text(code + CLIP)
    return verify(folder, "mine.py:clip", first=first)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os._exit(0)", "the process ended itself with exit code 0"),
        ("import os; os._exit(1)", "the process ended itself with exit code 1"),
        ("import os; os.abort()", "the process is killed by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "the process is killed by SIGSEGV"),
        ("import sys; sys.exit(0)", "it calls sys.exit(0) when imported"),
        ("raise KeyboardInterrupt", "it raises KeyboardInterrupt when it is imported"),
        ("raise GeneratorExit", "cannot be imported: GeneratorExit"),
        ("import os; os.closerange(3, 1000); os._exit(0)", "the process ended itself with exit code 0"),
    ],
)
def test_what_ends_the_process_is_told(tmp_path, code, told):
    ended = importing(tmp_path, code)
    assert ended.code == 2 and told in ended.err and "mine.py" in ended.err and "Traceback" not in ended.err, ended


@pytest.mark.parametrize("code", ["import time; time.sleep(1000)", "import os; os.kill(os.getpid(), 19)"])
def test_what_does_not_come_back_is_told(tmp_path, code):
    ended = importing(tmp_path, code, first=lambda: os.environ.update({IMPORT_SECONDS: "1"}))
    assert ended.code == 2 and "did not end within 1 s" in ended.err and IMPORT_SECONDS in ended.err, ended


def test_a_thread_that_ends_the_process_later_leaves_no_green(tmp_path):
    ended = importing(tmp_path, "import os, threading; threading.Timer(0.2, lambda: os._exit(0)).start()")
    assert ended.code == 3 and "ended itself with exit code 0, before there was a report" in ended.err, ended


@pytest.mark.parametrize(
    "code",
    some(
        [
            "import os; os.fork = lambda: 0",
            "import os; os.fork()",
            "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
            "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
            "import time; time.monotonic = time.perf_counter = lambda: 0.0",
            "import inspect, sys; sys.setrecursionlimit(len(inspect.stack()) + 30)",
            "import torch; torch.set_default_device('meta')",
        ],
        2,
    ),
)
def test_what_it_changes_for_itself_is_nothing_to_us(tmp_path, code):
    ended = importing(tmp_path, code)
    assert ended.code == 0 and ended.out.count("PASS   1 property") == 1, ended


def test_a_target_that_closes_the_streams_is_not_silently_green(tmp_path):
    ended = importing(tmp_path, "import os; os.closerange(0, 1000)")
    assert ended.code == 0 and ended.err == "rnncheck: stdout cannot be written: Bad file descriptor\n", ended


def test_in_python_it_is_imported_elsewhere_first(tmp_path):
    """In a fork, which has no threads of other tests, and which alone ends where the import is not tried out first."""
    (tmp_path / "mine.py").write_text("import os; os._exit(0)" + CLIP)

    def told() -> int:
        with pytest.raises(UsageError, match="cannot be imported: in a process of its own, .* ended itself with exit code 0"):
            verify_here(f"{tmp_path}/mine.py:clip")
        return 7

    ended = Command(tmp_path, run=told).wait()
    assert ended.code == 7, ended


def test_the_exit_code_is_what_the_command_said_and_not_what_its_last_thread_makes_of_it(tmp_path):
    assert rnncheck(tmp_path, "list", "--no-such-option").code == 2
    assert rnncheck(tmp_path, "list").code == 0


def test_a_command_in_a_process_with_threads_is_not_forked():
    """A fork would have none of them."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert supervised(os.getpid) == os.getpid()
    finally:
        over.set()
        thread.join()


def test_slow_is_not_wrong(tmp_path):
    started = time.monotonic()
    ended = importing(tmp_path, "import time; time.sleep(1.5)", first=lambda: os.environ.update({IMPORT_SECONDS: "60"}))
    assert ended.code == 0 and time.monotonic() - started > 1.5
