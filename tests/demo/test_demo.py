"""``rnncheck demo``: each mistake is found, its script fails without rnncheck, and the fixed layer holds."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnncheck import verify
from rnncheck.demo import MISTAKES, written
from rnncheck.faces.cli import cli
from rnncheck.faces.demo import PROPERTIES
from tests.effort import some

README = Path(__file__).parents[2] / "README.md"


def readme_says():
    """The lines of the demo that the README shows, without what it leaves out."""
    shown = README.read_text(encoding="utf-8").partition("$ rnncheck demo\n")[2].partition("```")[0]
    return [" ".join(line.split()) for line in shown.splitlines() if "[...]" not in line]


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_of_a_layer_that_parses(mistake):
    assert mistake.fixed.count(mistake.right) == 1
    assert len([line for line in mistake.change if line[0] in "+-"]) == 2
    ast.parse(mistake.text)


def test_every_mistake_names_public_issues():
    for mistake in MISTAKES.values():
        assert mistake.sources and all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source) for source in mistake.sources), mistake.name


@pytest.mark.parametrize("mistake", some(MISTAKES.values(), 4), ids=some(MISTAKES, 4))
def test_the_mistake_is_red_and_the_fixed_layer_green(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong, right = written(mistake, tmp_path / "demo")
    red, green = (
        verify(target, properties=PROPERTIES, profile="smoke", max_examples=4, engine="inline") for target in (wrong, right)
    )
    assert red.exit_code == 1 and len(red.subjects[0].causes) == 1
    assert green.exit_code == 0, str(green)


def test_the_demo_shows_the_script_the_change_and_the_fixed_layer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli, ["demo"], standalone_mode=False)
    assert shown.return_value == 0, shown.output
    parts = ["FAIL ", "found by", "should be", "AssertionError", "4. The fixed line", "PASS ", "Try next"]
    places = [shown.output.index(part) for part in parts]
    assert places == sorted(places), shown.output
    assert (tmp_path / ".rnncheck/demo/reset_gate.py").exists()
    told = " ".join(shown.output.split())
    assert [line for line in readme_says() if line not in told] == []


def test_the_list_has_every_mistake():
    listed = CliRunner().invoke(cli, ["demo", "--list"], standalone_mode=False).output
    assert all(f"{name} " in listed for name in MISTAKES)


def test_another_name_is_one_line():
    with pytest.raises(Exception, match=r"--bug = 'nothing', but should be one of reset-gate, "):
        CliRunner().invoke(cli, ["demo", "--bug", "nothing"], standalone_mode=False, catch_exceptions=False)
