"""The page of findings says what its data say, and each defect in it has a script that shows it; no package is needed."""

import json
from pathlib import Path

import pytest

from found.findings import FOLDER, explains, findings
from found.judging import modules
from found.page import page, seen, unexplained

HERE = Path(__file__).parents[2]
DATA = json.loads((HERE / "docs" / "found.json").read_text())
DEFECTS = {name: one for name, one in DATA["findings"].items() if one["defect"]}


def test_the_page_is_what_the_data_say():
    assert page(DATA) == (HERE / "docs" / "found.md").read_text()


ENDED = "terminate called without an active exception"
"""What a process says that C++ ended."""


def test_the_data_have_the_findings_as_they_stand():
    mine = findings()
    assert DATA["findings"].keys() == mine.keys()
    for name, one in mine.items():
        assert {key: DATA["findings"][name][key] for key in one} == one


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_has_a_script_of_its_package_that_was_seen_to_fail(name):
    one = DEFECTS[name]
    assert one["ends"].split(":")[0] in ("AssertionError", "RuntimeError", "AttributeError", ENDED)
    assert "rnncheck" not in one["script"]
    assert one["upstream"].startswith(("http", "looked for", "not looked up"))
    compile(one["script"], name, "exec")


def test_a_finding_is_on_something_that_was_judged():
    judged = {(one["module"], one["name"]) for one in DATA["judged"]}
    assert {(one["module"], name) for one in DATA["findings"].values() for name in one["judged"]} <= judged
    assert {path.stem for path in FOLDER.glob("*.py")} == DEFECTS.keys()


def test_a_red_cause_without_a_finding_is_told():
    judged = {**DATA["judged"][0], "red": [{"property": "no.such", "headline": "", "also": []}]}
    assert unexplained(DATA, judged) == judged["red"]
    assert "1 red, not checked by hand" in page({**DATA, "judged": [judged]})


def test_a_finding_explains_what_it_says_and_nothing_else():
    one = {"module": "m", "judged": ["A"], "shown_by": ["time.split", "state.used"], "defect": True}
    judged = {"module": "m", "name": "A", "red": [{"property": "time.split", "also": ["batch.alone"]}]}
    assert explains(one, judged, judged["red"][0])
    assert not explains(one, {**judged, "name": "B"}, judged["red"][0])
    assert seen({"judged": [judged]}, one) == ["time.split"]


@pytest.mark.parametrize("name", modules())
def test_a_stub_or_an_adapter_is_short(name):
    lines = (HERE / "found" / f"{name}.py").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith(('"""', "import", "from"))]) <= 20


def test_an_unknown_name_is_one_line(capsys):
    from found.__main__ import main

    assert main(["nobody"]) == 2
    assert capsys.readouterr().err.startswith("found: no module nobody; write one of ")
