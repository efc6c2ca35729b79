"""Plain English where users read it: in the statements of the properties, in the help of the command line, in short messages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rnncheck.bundle.diff import GRADIENTS, RESULTS, TRUTH
from rnncheck.catalog import CATALOG
from rnncheck.faces.cli import cli
from rnncheck.judging.judge import OUR_MISTAKE, UNDECIDED
from rnncheck.report.text import HEADLINES

ROOT = Path(__file__).parents[1]
RIDDLES = re.compile(
    r"^of |\b(is told|are told|so many|what comes of|for want of|but for|let go|be said|is looked at)\b", re.IGNORECASE
)


def riddle_in(text: str) -> str | None:
    """Return the first phrase of a text that makes people read it twice."""
    found = RIDDLES.search(" ".join(text.split()))
    return found and found[0].strip()


def commands(group: click.Group, path: str = "rnncheck") -> Iterator[tuple[str, click.Command]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def helps() -> Iterator[tuple[str, str]]:
    """Every help text of the command line, with where it stands."""
    for path, command in commands(cli):
        yield path, command.help or ""
        yield from ((f"{path} {option.opts[0]}", getattr(option, "help", None) or "") for option in command.params)


MESSAGES = {
    "undecided": UNDECIDED, "our mistake": OUR_MISTAKE, **HEADLINES,
    "bundle.truth": TRUTH, "bundle.results": RESULTS, "bundle.gradients": GRADIENTS,
}  # fmt: skip


@pytest.mark.parametrize("id", CATALOG)
def test_a_statement_can_be_read_once(id):
    assert riddle_in(CATALOG[id].statement) is None


@pytest.mark.parametrize("text", [pytest.param(text, id=where) for where, text in helps()])
def test_a_help_text_can_be_read_once(text):
    assert riddle_in(text) is None


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_can_be_read_once(name):
    assert riddle_in(MESSAGES[name]) is None


PAGES = sorted(
    {*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md"), ROOT / "README.md"} - {ROOT / "docs" / "kills.md"}
)
STIFF = re.compile(r"\b(is told|are told|so many|what comes of|for want of|but for|let go|mend|mended|mends)\b", re.IGNORECASE)
"""Phrases that CONTRIBUTING asks for others in place of."""


def stiff_in(text: str) -> list[str]:
    """Return these phrases where they stand in sentences, not in code."""
    return STIFF.findall(re.sub(r"\bmended:|```.*?```|``[^`]*``|`[^`]*`", "", " ".join(text.split())))


def docstrings(file: Path) -> Iterator[str]:
    """Every docstring of a file, of constants too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_in_plain_english(page):
    assert stiff_in(page.read_text(encoding="utf-8")) == []


def test_docstrings_are_in_plain_english():
    found = ((file, text) for file in sorted((ROOT / "rnncheck").rglob("*.py")) for text in docstrings(file))
    assert [f"{file.relative_to(ROOT)}: {text[:80]}" for file, text in found if stiff_in(text)] == []


def test_a_stiff_phrase_is_found():
    assert stiff_in("It is mended, but for `mended` and ``but for``.") == ["mended", "but for"]


@pytest.mark.parametrize(
    ("text", "riddle"),
    [
        ("Of calls, and of gradients, whose results are released, nothing stays.", "Of"),
        ("Calls whose results are let go leave nothing.", "let go"),
        ("Output and states are those of the equations, but for rounding.", "but for"),
        ("It stops after so many\nsteps.", "so many"),
        ("What comes of the jobs is kept.", "What comes of"),
        ("It is skipped for want of a device.", "for want of"),
        ("What failed is told once.", "is told"),
        ("Offsets are fine, so a manifold is too; nothing is untold, but forward must hold.", None),
    ],
)
def test_a_riddle_is_found(text, riddle):
    assert riddle_in(text) == riddle
