"""The documents say what the code says: layers, imports, files and links."""

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import torch

from rnncheck.core.verdict import RED, Status
from tests.strangers.table import STRANGERS
from tests.test_house import LAYERS

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXACT = [ROOT / "CONTRIBUTING.md", ARCHITECTURE, *(ROOT / "docs" / name for name in ("glossary.md", "layers.md")),
         *sorted((ROOT / "docs" / "decisions").glob("*.md"))]  # fmt: skip
"""Pages that name files of this repository from its top."""
FILE = re.compile(r"`((?:rnncheck|tests|properties|bench|docs)/[\w/.-]*)`")


def between(text: str, name: str) -> str:
    return text.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]


def script():
    spec = importlib.util.spec_from_file_location("docs_imports", ROOT / "docs" / "imports.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(page: Path) -> list[str]:
    """Return the files that a page names and that are not there."""
    return [name for name in FILE.findall(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()]


def broken(page: Path) -> list[str]:
    """Return the links of a page to files that are not there."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_the_layers_are_those_of_the_test():
    lines = between(ARCHITECTURE.read_text(encoding="utf-8"), "layers").strip().splitlines()
    assert tuple(lines[1:-1]) == LAYERS


def test_the_drawing_of_the_imports_is_up_to_date():
    page = ARCHITECTURE.read_text(encoding="utf-8")
    assert script().renewed(page) == page, "python docs/imports.py"


def test_the_drawing_shows_an_import(tmp_path):
    for name, text in {"core": "", "faces": "def f():\n    from rnncheck.core import case\n"}.items():
        (tmp_path / "rnncheck" / name).mkdir(parents=True)
        (tmp_path / "rnncheck" / name / "__init__.py").write_text(text)
    assert script().imports(tmp_path / "rnncheck") == {"core": set(), "faces": {"core"}}


def test_an_arrow_that_others_imply_is_left_out():
    graph = {"faces": {"core", "report"}, "report": {"core"}, "core": set()}
    assert script().reduced(graph) == {"faces": {"report"}, "report": {"core"}, "core": set()}


def test_every_folder_of_the_package_is_in_the_map():
    rows = re.findall(r"^\| `rnncheck/(\w+)/` \|", ARCHITECTURE.read_text(encoding="utf-8"), flags=re.M)
    assert sorted(rows) == sorted(path.parent.name for path in (ROOT / "rnncheck").glob("*/__init__.py"))


@pytest.mark.parametrize("page", EXACT, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page):
    assert named(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert broken(page) == []


def test_what_is_not_there_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`rnncheck/nothing.py`, [gone](gone.md), [here](page.md#part), [far](https://example.org)")
    assert named(page) == ["rnncheck/nothing.py"]
    assert broken(page) == ["gone.md"]


@pytest.mark.parametrize("page", EXACT, ids=lambda page: page.name)
def test_no_line_is_too_long_to_read(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 132 and not line.startswith("|")] == []


def test_the_wrapper_in_the_guide_to_layers_is_torchs_rnn():
    source = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "layers.md").read_text(encoding="utf-8"), flags=re.S)[0]
    made = {}
    exec(source, made)
    mine, torchs = made["Scan"](3, 4).double(), torch.nn.RNN(3, 4).double()
    torchs.load_state_dict(mine.state_dict())
    x, h = torch.randn(5, 2, 3).double(), torch.randn(1, 2, 4).double()
    for given in ((x,), (x, h)):
        torch.testing.assert_close(mine(*given), torchs(*given))


def test_the_guide_to_layers_counts_the_strangers():
    assert f"{len(STRANGERS)} layers" in (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")


def test_every_decision_is_listed():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")


def test_the_glossary_has_every_verdict():
    table = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").partition("## Verdicts")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|no)\b[^|]*\|$", table, flags=re.M))
    assert {word: red == "yes" for word, red in rows.items()} == {word: word in RED for word in get_args(Status)}


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 100


def test_what_a_machine_without_a_network_needs_is_all_that_the_package_needs():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = [re.match(r"[\w-]+", one)[0] for one in needed]
    (line,) = re.findall(
        r"^pip download .* --only-binary=:all: (.*)$", (ROOT / "docs" / "devices.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(["torch", *line.split()]) == sorted(names)
