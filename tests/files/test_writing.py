"""Written files are whole or not there, and lie where and as one would have written them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rnncheck.campaign import store
from rnncheck.campaign.store import Stored, load
from rnncheck.core.case import Case
from rnncheck.errors import UsageError
from rnncheck.files.reading import read_bytes
from rnncheck.files.writing import write_whole
from tests.files.test_files import CASE


def test_a_full_disk_leaves_the_old_file(tmp_path):
    file = tmp_path / "base.json"
    write_whole(file, "old")
    text = f"""
import resource, sys
from pathlib import Path
from rnncheck.files.writing import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path({str(file)!r}), "x" * 100_000)
except OSError as error:
    print(error.strerror)
"""
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert ended.stdout == "File too large\n"
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["base.json"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_what_is_written_is_as_one_would_write_it(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new \ud800")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new \\ud800"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
    before = os.umask(0o027)
    try:
        assert write_whole(tmp_path / "deep" / "er" / "f", b"x").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)
    write_whole(Path(os.devnull), "gone")
    assert sorted(os.listdir(tmp_path)) == ["deep", "link", "real"]


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    write_whole(tmp_path / "pipe", "through")
    assert reading.communicate()[0] == b"through"


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_no_more_is_read_than_is_allowed(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert read_bytes(tmp_path / "a", 11) == b"x" * 11
    with pytest.raises(UsageError, match="is 11 bytes long, but should be at most 10"):
        read_bytes(tmp_path / "a", 10)


def test_many_targets_of_one_name_keep_their_own_files(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST_NUMBERED", 3)
    case = Case.from_json(CASE)
    paths = {store.save(Stored("time.split", f"{n}.py:A", "layer", case), tmp_path) for n in range(6)}
    assert len(paths) == 6 and {load(path).target for path in paths} == {f"{n}.py:A" for n in range(6)}
