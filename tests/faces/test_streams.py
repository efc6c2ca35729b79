"""What stdout and stderr may be: a full disk, closed, a reader that leaves, a terminal without our marks. The verdict stands.

Whole processes show how Python begins and ends with such streams; the rest is tried in forks, two seconds less for each test.
"""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests import command
from tests.effort import some

RIGHT = ["verify", "torch.nn.GRU", "--properties", "shape.output", "--max-examples", "2", "--engine", "inline", "--verbose"]


def rnncheck(words: list[str], redirect: str = "", **environment: str) -> subprocess.CompletedProcess:
    """The command line in a shell, with stdout as the redirection says."""
    command = f'"$@" {redirect}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "bash", sys.executable, "-m", "rnncheck", *words],
        capture_output=True, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def opened(name: str, number: int, encoding: str = "utf-8") -> None:
    """Make this the stream of the process, as Python does when it begins."""
    stream = os.fdopen(number, "w", encoding=encoding, closefd=False)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def full(name: str, number: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)
    opened(name, number)


def closed(name: str, number: int) -> None:
    os.close(number)
    setattr(sys, name, None)
    setattr(sys, f"__{name}__", None)


def without_a_reader(name: str, number: int) -> None:
    reader, writer = os.pipe()
    os.dup2(writer, number)
    os.close(reader)
    opened(name, number)


@pytest.mark.parametrize(
    ("redirect", "says"),
    some([("> /dev/full", b"stdout cannot be written: No space left on device"), ("| head -c 1", b""), ("<&- >&- 2>&-", b"")], 3),
)
def test_a_stdout_that_takes_nothing_does_not_change_the_verdict(redirect, says):
    ended = rnncheck(RIGHT, redirect)
    assert ended.returncode == 0 and says in ended.stderr
    assert b"Traceback" not in ended.stderr and b"Exception ignored" not in ended.stderr


@pytest.mark.parametrize(
    ("how", "name", "number"),
    [(closed, "stdout", 1), (closed, "stderr", 2), (full, "stderr", 2), (without_a_reader, "stdout", 1)],
)
def test_neither_does_one_stream_alone(tmp_path, how: Callable[[str, int], None], name, number):
    ended = command.rnncheck(tmp_path, *RIGHT, first=lambda: how(name, number))
    assert ended.code == 0 and "Traceback" not in ended.err, ended
    assert name == "stdout" or "shape.output" in ended.out


@pytest.mark.parametrize(("how", "code"), [(full, 3), (without_a_reader, 0)])
def test_a_report_that_was_asked_for_on_a_full_disk_is_not_green(tmp_path, how, code):
    assert command.rnncheck(tmp_path, *RIGHT, "--json", "-", first=lambda: how("stdout", 1)).code == code


def test_a_whole_process_without_our_marks_says_plain_ones():
    ended = rnncheck(RIGHT, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.returncode == 0 and "+  shape.output" in ended.stdout.decode("ascii")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_a_terminal_without_our_marks_gets_plain_ones(tmp_path, encoding):
    ended = command.rnncheck(tmp_path, *RIGHT, first=lambda: opened("stdout", 1, encoding))
    told = (tmp_path / "stdout").read_bytes().decode(encoding)
    assert ended.code == 0 and ("✓  shape.output" in told) == (encoding == "utf-16")
    assert encoding == "utf-16" or "+  shape.output" in told


def test_the_report_is_there_when_the_table_cannot_be_printed(tmp_path):
    ended = command.rnncheck(tmp_path, *RIGHT, "--json", f"{tmp_path}/a.json", first=lambda: full("stdout", 1))
    assert ended.code == 0 and "stdout cannot be written" in ended.err and (tmp_path / "a.json").stat().st_size > 100
