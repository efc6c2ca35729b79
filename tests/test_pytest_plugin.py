"""``@rnncheck.parametrize`` as its users run it: in a project of their own, by pytest itself."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
import torch

TESTS = """
import rnncheck, torch
from torch import nn

class Wrong(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return (output * 1.001 if self.num_layers > 1 and isinstance(output, torch.Tensor) else output), state

@rnncheck.parametrize(Wrong, against=nn.LSTM, properties="shape.output,shape.state,layer.stack,agree.device", engine="inline")
def test_mine(conformance):
    conformance.check()
"""


@pytest.fixture
def run(tmp_path):
    """pytest on that file in another folder: (exit code, what it says)."""
    (tmp_path / "test_mine.py").write_text(TESTS)

    def runs(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *options]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return ended.returncode, ended.stdout

    return runs


def test_one_item_a_property_with_its_message_alone(run, tmp_path):
    code, said = run("-n", "2", "--junitxml", "report.xml")
    assert code == 1
    assert "layer.stack does not hold for" in said and "Traceback" not in said and "conformance.py" not in said
    cases = ElementTree.parse(tmp_path / "report.xml").iter("testcase")
    items = {case.get("name"): [child.tag for child in case] for case in cases}
    assert set(items) == {f"test_mine[{id}]" for id in ("shape.output", "shape.state", "layer.stack", "agree.device")}
    assert items["test_mine[layer.stack]"] == ["failure"] and items["test_mine[shape.output]"] == []


def test_an_item_by_its_name(run):
    code, said = run("-k", "shape.output")
    assert code == 0 and "1 passed, 3 deselected" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_here_is_a_visible_skip(run):
    code, said = run("--rnncheck-device", "cuda")
    assert code == 0 and "4 skipped" in said and "there is no device cuda here" in said


def test_a_failing_case_is_kept_and_the_message_says_how_to_run_it_again(run, tmp_path):
    code, said = run("-k", "layer.stack")
    (file,) = (tmp_path / ".rnncheck" / "failing").glob("*.json")
    assert code == 1 and f"again: rnncheck replay .rnncheck/failing/{file.name}" in said
    command = [sys.executable, "-m", "rnncheck", "replay", str(file)]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 1 and "layer.stack does not hold for" in again.stdout


def test_none_is_kept_where_none_is_wanted(run, tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS.replace('engine="inline"', 'engine="inline", folder=None'))
    assert run("-k", "layer.stack")[0] == 1
    assert not (tmp_path / ".rnncheck").exists()
