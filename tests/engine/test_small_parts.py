"""Messages, the record, last words, memory, and packing."""

import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest

from rnncheck.engine.channel import HEADER, Garbled, Inbox, send
from rnncheck.engine.current_check import Entry, Record
from rnncheck.engine.memory import GIB, LEAST, available, resident, share
from rnncheck.engine.serialise import Unpackable, pack
from rnncheck.engine.worker import CONTEXT_LOST
from rnncheck.system import exit_reason as words
from rnncheck.system.exit_reason import ended, last_words, printable
from tests.engine.support import gru, misbehaving, workshop


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield Inbox(reading), writing
    os.close(reading)
    os.close(writing)


def test_messages(pipe):
    inbox, writing = pipe
    for message in ("one", {"two": 2}, None):
        send(writing, message)
    assert [inbox.receive() for _ in range(3)] == ["one", {"two": 2}, None]


def test_a_message_in_pieces(pipe):
    inbox, writing = pipe
    data = pickle.dumps("long" * 100)
    packed = HEADER.pack(len(data)) + data
    os.set_blocking(inbox.fd, False)
    for start in range(0, len(packed), 50):
        assert list(inbox.messages()) == []
        os.write(writing, packed[start : start + 50])
        assert inbox.take()
    assert list(inbox.messages()) == ["long" * 100]
    assert not inbox.take()
    assert not inbox.ended


@pytest.mark.parametrize("data", [b"\xff" * 16, HEADER.pack(3) + b"abc"])
def test_what_is_no_message(pipe, data):
    inbox, writing = pipe
    send(writing, "good")
    os.write(writing, data)
    inbox.take()
    coming = inbox.messages()
    assert next(coming) == "good"
    with pytest.raises(Garbled):
        next(coming)


def test_the_end_of_a_pipe():
    reading, writing = os.pipe()
    os.close(writing)
    inbox = Inbox(reading)
    with pytest.raises(EOFError):
        inbox.receive()
    assert inbox.ended
    os.close(reading)


def test_the_record_outlives_its_writer():
    record = Record()
    assert record.read() is None
    pid = os.fork()
    if pid == 0:
        record.write(3, 1, "time.split")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    entry = record.read()
    assert isinstance(entry, Entry)
    assert (entry.job, entry.place, entry.what) == (3, 1, "time.split")
    record.clear()
    assert record.read() is None


@pytest.mark.parametrize(("status", "said"), [
    (signal.SIGSEGV, "killed by SIGSEGV (Segmentation fault)"),
    (signal.SIGKILL, "killed by SIGKILL (Killed) (not by rnncheck; by the system, for lack of memory?)"),
    (0, "the process ended itself with exit code 0"),
    (3 << 8, "the process ended itself with exit code 3"),
    (CONTEXT_LOST << 8, "the CUDA context can no longer be used"),
    (None, "the worker ended"),
])  # fmt: skip
def test_how_a_worker_ended(status, said):
    assert ended(status) == said


def test_last_words_of_a_crash():
    """What faulthandler of this very Python writes is understood."""
    lines = ("import ctypes, faulthandler", "print('before', flush=True)", "faulthandler.enable()",
             "def inner():", "    ctypes.string_at(0)", "inner()")  # fmt: skip
    command = [sys.executable, "-c", "\n".join(lines)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    told = last_words(run.stdout).split("\n")
    assert told[0] == "before"
    assert "Segmentation fault" in told[-3]
    assert told[-2:] == ["<string>:5 in inner", "<string>:6 in <module>"]


def test_last_words_are_few_and_short():
    told = last_words(b"\n".join(b"%d" % i for i in range(100)) + b"\n" + b"x" * 10_000)
    assert told.split("\n") == ["96", "97", "98", "99", "x" * words.WIDTH]


def test_what_a_terminal_would_obey_is_not_printed():
    assert printable("\x1b[2J\x07red\ttext\r\nnext") == "�[2J�red text\nnext"


def test_memory():
    assert 10 * 2**20 < resident(os.getpid()) < 100 * GIB
    assert resident(2**22 + 1) == 0
    free = available()
    assert free is not None and free > 0
    assert share(2) == pytest.approx(0.4 * free, rel=0.2) or share(2) == LEAST
    assert share(10**6) == LEAST


def test_packing_by_value():
    """A class that lives in no importable module, in a process that has never heard of it."""

    def nothing():
        return None

    code = "import pickle, sys; print([s.name for s in pickle.load(sys.stdin.buffer).subjects])"
    packed = pack(workshop(gru(), misbehaving(nothing)), elsewhere=True)
    run = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True, cwd="/")
    assert run.stdout.decode().strip() == "['torch.nn.GRU', 'nothing']"


def test_what_cannot_be_packed():
    lock = threading.Lock()

    def holds_a_lock():
        return lock

    with pytest.raises(Unpackable, match="a subject cannot be sent: TypeError"):
        pack(workshop(misbehaving(holds_a_lock)))
