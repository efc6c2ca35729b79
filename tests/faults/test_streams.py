"""What stdout and stderr may be: a full disk, closed, a reader that leaves, a terminal without our marks. The verdict stands."""

import os
import subprocess
import sys

import pytest

RIGHT = ["verify", "torch.nn.GRU", "--properties", "shape.output", "--max-examples", "2", "--engine", "inline", "--verbose"]


def rnncheck(words: list[str], redirect: str = "", **environment: str) -> subprocess.CompletedProcess:
    """The command line in a shell, with stdout as the redirection says."""
    command = f'"$@" {redirect}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "bash", sys.executable, "-m", "rnncheck", *words],
        capture_output=True, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("redirect", "says"),
    [("> /dev/full", b"stdout cannot be written: No space left on device"), (">&-", b""), ("| head -c 1", b""), ("2>&-", b""),
     ("<&- >&- 2>&-", b""), ("2> /dev/full", b"")],
)  # fmt: skip
def test_a_stdout_that_takes_nothing_does_not_change_the_verdict(redirect, says):
    ended = rnncheck(RIGHT, redirect)
    assert ended.returncode == 0 and says in ended.stderr
    assert b"Traceback" not in ended.stderr and b"Exception ignored" not in ended.stderr


def test_a_report_that_was_asked_for_on_a_full_disk_is_not_green():
    assert rnncheck([*RIGHT, "--json", "-"], "> /dev/full").returncode == 3
    assert rnncheck([*RIGHT, "--json", "-"], "| head -c 1").returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_a_terminal_without_our_marks_gets_plain_ones(encoding):
    ended = rnncheck(RIGHT, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    told = ended.stdout.decode(encoding)
    assert ended.returncode == 0 and ("✓  shape.output" in told) == (encoding == "utf-16")
    assert encoding == "utf-16" or "+  shape.output" in told


def test_the_report_is_there_when_the_table_cannot_be_printed(tmp_path):
    ended = rnncheck([*RIGHT, "--json", f"{tmp_path}/a.json"], "> /dev/full")
    assert ended.returncode == 0 and (tmp_path / "a.json").stat().st_size > 100
