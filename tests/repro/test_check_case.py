"""A failing case as a pytest test: red on what is broken, green once it is mended, and fit to be run by pytest."""

from dataclasses import replace

import pytest

import rnncheck
from rnncheck.adapters.targets import resolve
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.repro import snippet
from tests.command import Command
from tests.effort import only_nightly

BROKEN = """
from torch import nn

class Mine(nn.GRU):
    def forward(self, input, hx=None):
        return super().forward(input, None)
"""
MENDED = BROKEN.replace("input, None", "input, hx")
CASE = Case(Config("GRU", 2, 3), time=4, batch=2, hx="random").to_json()


def pytest_says(folder):
    """Run pytest in a fork of this process, which has imported torch already."""
    ended = Command(folder, run=lambda: pytest.main(["-q", "-p", "no:cacheprovider", "--capture=sys", "repro"])).wait()
    return ended.code, ended.out


@only_nightly
def test_the_file_beside_the_script_is_red_then_green(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(BROKEN)
    report = rnncheck.verify("mine.py:Mine", properties="time.split", repro="repro", max_examples=30, engine="inline")
    ((_, verdict),) = report.failures
    assert verdict.regression_test == "repro/test_time_split_Mine.py"
    assert f"  regression test: {verdict.regression_test}" in str(pytest.raises(rnncheck.Failed, report.raise_if_failed).value)
    code, said = pytest_says(tmp_path)
    assert code == 1 and "time.split does not hold for mine.py:Mine" in said and "replay.py" not in said
    (tmp_path / "mine.py").write_text(MENDED)
    assert pytest_says(tmp_path)[0] == 0


def test_what_no_script_can_import_has_no_test():
    (subject,) = resolve.subjects("torch.nn.GRU")
    case = Case.from_json(CASE)
    text = snippet(subject, "time.split", case)
    exec(compile(text, "test_it.py", "exec"), vars := {})  # noqa: S102
    assert Case.from_json(vars["CASE"]) == case
    assert snippet(replace(subject, source=None), "time.split", case) is None


@pytest.mark.parametrize(
    ("property", "case", "says"),
    [
        ("time.splat", CASE, "there is no such property"),
        ("time.split", {"time": 4}, "should be a layer's case"),
        ("time.split", "nowhere.json", "nowhere.json: no such file"),
    ],
)
def test_wrong_use_is_told_in_one_line(property, case, says):
    with pytest.raises(rnncheck.UsageError, match=says) as raised:
        rnncheck.check_case("torch.nn.GRU", property, case, engine="inline")
    assert "\n" not in str(raised.value)


def test_what_cannot_be_checked_is_not_green():
    lstm = Case(Config("LSTM", 2, 3), time=4, batch=2).to_json()
    with pytest.raises(rnncheck.Failed, match="was not checked"):
        rnncheck.check_case("torch.nn.GRU", "time.split", lstm, engine="inline")
