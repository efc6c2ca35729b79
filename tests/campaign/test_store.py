"""Failing cases on disk: found again, kept apart, refused in one line where they cannot be read, never lost."""

import json

import pytest
from torch import nn

import rnncheck
from rnncheck.campaign import store
from rnncheck.campaign.replay import replay
from rnncheck.campaign.store import Stored, StoreError, load, load_all, save
from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase, Gradient
from rnncheck.core.config import Config
from rnncheck.errors import UsageError

CASE = Case(Config("LSTM", 2, 3, num_layers=2), 4, 3, lengths=(4, 2, 1), hx="random", switches=("onednn_off",))
CLIP = ClipCase((Gradient((2, 3)),), max_norm=float("inf"))


@pytest.mark.parametrize("stored", [Stored("time.split", "mine.py:A", "layer", CASE), Stored("clip.bound", "f", "clip", CLIP)])
def test_what_is_saved_is_loaded(tmp_path, stored):
    path = save(stored, tmp_path)
    found = load(path)
    assert (found.property, found.target, found.kind, found.case) == (stored.property, stored.target, stored.kind, stored.case)
    assert save(stored, tmp_path) == path


def test_targets_of_one_last_name_do_not_overwrite_each_other(tmp_path):
    paths = [save(Stored("time.split", target, "layer", CASE), tmp_path) for target in ("a.py:LSTM", "b.py:LSTM", "a.py:LSTM")]
    assert [path.name for path in paths] == ["time.split-LSTM.json", "time.split-LSTM-2.json", "time.split-LSTM.json"]
    assert {load(path).target for path in paths} == {"a.py:LSTM", "b.py:LSTM"}


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "the file is empty"),
        ('{"schema": 1, "property": "time.spl', "not a case file"),
        ("[]", "schema = 'list', but should be 1"),
        ('{"schema": 0}', "schema = 0, but should be 1; was it written by another version?"),
        ('{"schema": 1}', "not a case file: Object missing required field `property`"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_set_aside(tmp_path, text, says):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StoreError) as refusal:
        load(tmp_path / "x.json")
    assert says in str(refusal.value) and "\n" not in str(refusal.value)
    with pytest.raises(UsageError):
        replay(tmp_path / "x.json")
    kept, complaints = load_all(tmp_path)
    assert kept == [] and complaints[0].endswith("; set aside")
    assert (tmp_path / "x.unreadable").read_text() == text


class Forgetful(nn.GRU):
    """Starts from nothing at every call."""

    def forward(self, input, hx=None):
        return super().forward(input)


def verify(target, folder):
    return rnncheck.verify(target, properties="time.split", max_examples=24, engine="inline", folder=folder)


def test_what_failed_is_replayed_first_and_told_when_it_is_mended(tmp_path, monkeypatch):
    failed = verify(Forgetful, tmp_path)
    (file,) = (tmp_path / "failing").glob("*.json")
    assert failed.exit_code == 1 and load(file).case == failed.failures[0][1].case
    again = verify(Forgetful, tmp_path)
    assert again.failures[0][1].cases == 1
    monkeypatch.setattr(Forgetful, "forward", nn.GRU.forward)
    mended = verify(Forgetful, tmp_path)
    assert mended.exit_code == 0 and mended.mended == (f"time.split on {failed.subjects[0].name}: the stored case holds now",)
    assert json.loads(file.read_text())["mended"] is True
    assert verify(Forgetful, tmp_path).mended == ()


def test_a_full_disk_loses_no_verdict(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_json", full)
    report = verify(Forgetful, tmp_path)
    assert report.exit_code == 1 and "could not be saved" in report.stopped and "No space left" in report.stopped
