"""Every property has a page that says what the code says, and the terminal shows the same text."""

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnncheck.catalog import CATALOG
from rnncheck.catalog.card import sections
from rnncheck.catalog.notes import note_on, noted
from rnncheck.faces.cli import cli
from tests.test_english import riddle_in

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_up_to_date(pages):
    assert pages.outdated() == [], "python docs/pages.py"


def test_a_page_that_is_out_of_date_is_named(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    pages.main([])
    assert pages.outdated() == []
    (tmp_path / "time.split.md").write_text("older")
    (tmp_path / "time.gone.md").write_text("")
    assert pages.outdated() == ["time.split.md", "time.gone.md"]


def test_every_property_says_why_it_matters_what_it_misses_and_how_to_fix_it():
    headings = ["Why it matters", "How to fix it", "What it does not see"]
    assert [id for id, prop in CATALOG.items() if [heading for heading, _ in sections(prop)] != headings] == []


def test_every_property_has_a_headline_for_its_failures():
    """Built-in ones: the headline of a property of one's own is its id."""
    told = {id: note_on(id).headline for id in CATALOG}
    assert [id for id, text in told.items() if not text or text.endswith(".") or riddle_in(text)] == []


def test_no_note_on_a_property_that_is_not_there():
    assert [id for id in noted() if id not in CATALOG] == []


@pytest.mark.parametrize("family", dict.fromkeys(prop.family for prop in CATALOG.values()))
def test_the_notes_can_be_read_once(family):
    told = [text for prop in CATALOG.values() if prop.family == family for _, text in sections(prop)]
    assert [text for text in told if riddle_in(text) or not text.endswith((".", ".)"))] == []


def test_the_terminal_shows_the_text_of_the_page():
    shown = CliRunner().invoke(cli, ["explain", "time.split"], standalone_mode=False).output
    for heading, text in sections(CATALOG["time.split"]):
        assert heading in shown and " ".join(text.split()) in " ".join(shown.split())
    assert max(len(line) for line in shown.split("\n@time")[0].splitlines()) <= 100


def test_every_issue_on_a_page_is_a_link(pages):
    text = pages.page(CATALOG["time.split"], None)
    assert "[pytorch/rl#1406](https://github.com/pytorch/rl/issues/1406)" in text
    assert re.search(r"(?<!\[)\bpytorch/rl#1406", text) is None


def test_every_property_has_a_failing_example_or_says_what_shows_one(pages):
    assert {id for id in CATALOG if not pages.examples().get(id)} == set(pages.ELSEWHERE)
    for id, device in pages.ELSEWHERE.items():
        assert f"Only {device} shows one." in pages.page(CATALOG[id], None)


@pytest.mark.parametrize("id", ["time.in_pieces", "agree.against"])
def test_a_bug_that_needs_a_claim_or_a_reference_has_an_example(pages, id):
    example = pages.examples()[id]
    assert pages.example_of(CATALOG[id], example["bug"]) == example


def test_an_example_is_what_its_planted_bug_shows(pages):
    example = pages.examples()["shape.output"]
    assert pages.example_of(CATALOG["shape.output"], example["bug"]) == example
