"""``--json - --brief``: what a program in a loop reads."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnncheck import UsageError, verify
from rnncheck.demo import MISTAKES, written
from rnncheck.faces.cli import cli
from rnncheck.faces.demo import PROPERTIES
from rnncheck.report.brief import brief
from tests.command import rnncheck

PAGE = (Path(__file__).parents[2] / "docs" / "loop.md").read_text(encoding="utf-8")


def told(mistake, folder, mended=False):
    target = written(MISTAKES[mistake], folder)[mended]
    return brief(verify(target, properties=PROPERTIES, max_examples=4, engine="inline"))


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    return told("stale-state", tmp_path_factory.mktemp("red"))


def test_it_is_short_and_has_the_cause_the_case_and_what_to_do(red):
    assert len(json.dumps(red)) < 3000
    (cause,) = red["subjects"][0]["causes"]
    assert (red["exit_code"], red["incomplete"]) == (1, None)
    assert cause["headline"] == "every step starts from the initial state"
    assert cause["fix"].startswith("Undo this in the layer: every step starts from the initial state")
    assert "layer = GRU(1, 1)" in cause["calls"] and "GRU(1, 1), time 2" in cause["case"]


def test_without_a_diagnosis_the_note_on_the_property_says_what_to_do(tmp_path):
    (cause,) = told("detached", tmp_path)["subjects"][0]["causes"]
    assert cause["property"] == "gradient.reference" and cause["fix"].startswith("Compare your backward with autograd")


def test_green_has_no_causes(tmp_path):
    green = told("detached", tmp_path, mended=True)
    assert green["exit_code"] == 0 and green["subjects"][0]["causes"] == [] and green["subjects"][0]["holds"] > 5


def test_every_key_is_documented(red):
    subject = red["subjects"][0]
    keys = {*red, *subject, *subject["causes"][0]}
    assert keys <= set(re.findall(r"`(\w+)`", PAGE)), keys - set(re.findall(r"`(\w+)`", PAGE))


def test_the_command_line_prints_it_alone_on_stdout(tmp_path):
    target = written(MISTAKES["stale-state"], tmp_path)[0]
    words = ["verify", target, "--properties", "time.split", "--max-examples", "2", "--engine", "inline", "--json", "-", "--brief"]
    done = rnncheck(tmp_path, *words)
    assert done.code == 1 and json.loads(done.out)["brief"] == 1


def test_without_json_it_is_wrong_usage():
    with pytest.raises(UsageError, match="--brief makes --json short, but there is no --json: add --json -"):
        CliRunner().invoke(cli, ["verify", "torch.nn.GRU", "--brief"], standalone_mode=False, catch_exceptions=False)
