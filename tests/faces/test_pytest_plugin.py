"""``@rnncheck.parametrize`` as its users run it: in a project of their own, by pytest itself."""

import contextlib
import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from rnncheck.faces import pytest_campaigns
from rnncheck.faces.cli import cli
from tests.effort import only_nightly

TESTS = """
import rnncheck, torch
from torch import nn

class Wrong(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return (output * 1.001 if self.num_layers > 1 and isinstance(output, torch.Tensor) else output), state

@rnncheck.parametrize(
    Wrong, properties="shape.output,shape.state,state.is_last_output,agree.device", engine="inline", max_examples=8, budget="10m")
def test_mine(conformance):
    conformance.check()
"""
ALL = ["shape.output", "shape.state", "state.is_last_output", "agree.device"]


@pytest.fixture
def asked(monkeypatch):
    """The properties of each campaign that was run in this process."""
    return recorded(monkeypatch)


def recorded(monkeypatch) -> list[list[str]]:
    """Return the properties of each campaign that is run from now on."""
    seen: list[list[str]] = []

    def verify(target, **options):
        seen.append(options["properties"].split(","))
        return the_real(target, **options)

    the_real = pytest_campaigns.verify
    monkeypatch.setattr(pytest_campaigns, "verify", verify)
    return seen


def in_folder(folder: Path, *options: str, what: str = "test_mine.py") -> tuple[int, str]:
    """pytest on that file in this folder, in this process: (exit code, what it says)."""
    sys.modules.pop("test_mine", None)
    if not (folder / "test_mine.py").exists():
        (folder / "test_mine.py").write_text(TESTS)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["-rs", "--import-mode=importlib", "--capture=sys", what, *options])
    return int(code), said.getvalue()


@pytest.fixture
def run(tmp_path):
    """pytest on that file in another folder."""
    return partial(in_folder, tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run of all items, at which several tests look: (its folder, what it says, the campaigns that were run)."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        asked = recorded(patch)
        code, said = in_folder(folder)
    assert code == 1 and "1 failed" in said
    return folder, said, asked


def test_the_items_of_one_subject_share_one_campaign(whole):
    _, _, (together,) = whole
    assert sorted(together) == sorted(ALL)


@pytest.mark.parametrize(("what", "options"), [
    ("test_mine.py", ("-k", "shape.output")),
    ("test_mine.py::test_mine[shape.output]", ()),
    ("test_mine.py", ("-k", "shape", "--deselect", "test_mine.py::test_mine[shape.state]")),
])  # fmt: skip
def test_only_the_properties_of_selected_items_are_checked(run, asked, what, options):
    assert run(*options, what=what)[0] == 0
    assert asked == [["shape.output"]]


def test_what_failed_last_is_checked_by_itself(whole, asked):
    code, said = in_folder(whole[0], "--lf")
    assert code == 1 and "1 failed" in said and asked == [["state.is_last_output"]]


def test_it_stops_at_the_first_failure(run):
    code, said = run("-x")
    assert code == 1 and "stopping after 1 failures" in said


def test_one_item_a_property_with_its_message_alone(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    options = ["-p", "no:cacheprovider", "-n", "2", "--junitxml", "report.xml", "-W", "error"]
    ended = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)
    said = ended.stdout
    assert ended.returncode == 1
    assert "state.is_last_output does not hold for" in said and "Traceback" not in said and "pytest_items.py" not in said
    summary = said[said.index("what rnncheck found") :]
    assert "FAIL   " in summary and "found by      state.is_last_output" in summary and "rnncheck replay" in summary
    cases = ElementTree.parse(tmp_path / "report.xml").iter("testcase")
    items = {case.get("name"): [child.tag for child in case] for case in cases}
    assert set(items) == {f"test_mine[{id}]" for id in ALL}
    assert items["test_mine[state.is_last_output]"] == ["failure"] and items["test_mine[shape.output]"] == []


def test_the_end_tells_one_cause_once(whole, run):
    summary = whole[1][whole[1].index("what rnncheck found") :]
    assert summary.count("FAIL   ") == 1 and "Wrong(1, 1, num_layers=2)" in summary
    code, said = run("--tb=no", "-k", "shape")
    assert code == 0 and "what rnncheck found" not in said


@only_nightly
def test_of_all_shards_one_is_red_and_none_for_what_only_another_reaches(run):
    shards = [run("--rnncheck-shard", f"{i}/8", "-k", "state.is_last_output or shape.state") for i in range(1, 9)]
    assert {code for code, _ in shards} == {0, 1}
    assert any("state.is_last_output does not hold for" in said for _, said in shards)
    assert any("not reached: " in said for _, said in shards)
    code, said = run("--rnncheck-shard", "9/8")
    assert code == 1 and "shard = '9/8', but should be a part and the number of parts, such as 2/5" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_here_is_a_visible_skip(run):
    code, said = run("--rnncheck-device", "cuda")
    assert code == 0 and "4 skipped" in said and "there is no device cuda here" in said


def test_a_failing_case_is_kept_and_the_message_says_how_to_run_it_again(whole, monkeypatch):
    folder, said, _ = whole
    (file,) = (folder / ".rnncheck" / "failing").glob("*.json")
    assert f"again: rnncheck replay .rnncheck/failing/{file.name}" in said
    monkeypatch.chdir(folder)
    again = CliRunner().invoke(cli, ["replay", str(file)], standalone_mode=False)
    assert again.return_value == 1 and "state.is_last_output does not hold for" in again.output


def test_none_is_kept_where_none_is_wanted(run, tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS.replace('engine="inline"', 'engine="inline", folder=None'))
    assert run("-k", "state.is_last_output")[0] == 1
    assert not (tmp_path / ".rnncheck").exists()
