"""The rules of the house: who imports whom, what is public, where tests lie, and no property without a mutant that it kills."""

import ast
import importlib.util
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rnncheck
from rnncheck.catalog import CATALOG

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rnncheck"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

LAYERS = (
    "errors older_torch typechecked clip system", "core files", "backend cells oracle", "nn strategies running diagnosis",
    "reading",
    "catalog adapters report", "repro", "judging", "engine", "campaign bundle", "runtime", "demo", "faces", "__init__ __main__",
)  # fmt: skip
"""The parts of the package, lowest first: each imports only what stands before it, in an earlier layer or earlier in its own."""
ORDER = [part for layer in LAYERS for part in layer.split()]

ABOUT_ALL = {"documents", "english", "house", "pages", "places", "quick_start", "site", "wheel"}
"""What the tests at the top of tests/ are about, beside the modules at the top of the package."""
BESIDE = {"bench", "examples", "found", "mutants", "recurrences", "strangers", "trainers", "typed"}
"""Folders of tests/ alone: tests of the other code of this repository, and layers on which several parts are tried."""


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, also inside functions and for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_in(path: Path) -> set[str]:
    """The parts of the package that a file imports."""
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("rnncheck.")} & set(ORDER)


def imported_too_early(path: Path, part: str) -> set[str]:
    """The parts that a file of this part imports and that do not stand before it."""
    return {other for other in parts_in(path) - {part} if ORDER.index(other) > ORDER.index(part)}


def test_every_part_has_its_place_in_the_order():
    assert {part_of(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    assert not imported_too_early(path, part_of(path))


def test_the_rule_on_imports_can_be_broken(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("def f():\n    from rnncheck.faces import cli\n")
    assert imported_too_early(file, "core") == {"faces"}


def out_of_place(tests: Path) -> list[str]:
    """The tests that do not lie where what they test lies in the package."""
    files = (path.relative_to(tests).with_suffix("") for path in sorted(tests.rglob("test_*.py")))
    at_the_top = {f"test_{name}" for name in ABOUT_ALL | {path.stem for path in PACKAGE.glob("*.py")}}
    folders = BESIDE | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return [str(file) for file in files if file.parts[0] not in (folders if file.parts[1:] else at_the_top)]


def test_tests_mirror_the_source(tmp_path):
    assert out_of_place(Path(__file__).parent) == []
    for name in ("test_clip", "test_gate", "faces/test_gate", "gates/test_gate"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    assert out_of_place(tmp_path) == ["gates/test_gate", "test_gate"]


LONGEST = 300


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_no_longer_than_one_idea_takes(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines: split it by its ideas"


def test_no_files_import_each_other_in_a_circle():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    graph = {name: imports_of(path) & (names.keys() - {name}) for name, path in names.items() if name != "rnncheck"}
    graph = {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in graph.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        order = error.args[1]  # the circle
    assert len(order) == len(graph), order


def test_only_the_strategies_know_hypothesis():
    knowing = {part_of(path) for path in FILES if any(name.split(".")[0] == "hypothesis" for name in imports_of(path))}
    assert knowing == {"strategies"}


def test_no_stringified_annotations_where_types_are_checked():
    wrong = [
        path
        for folder in ("rnncheck", "properties")
        for path in (ROOT / folder).rglob("*.py")
        if "from __future__ import annotations" in path.read_text()
    ]
    assert wrong == []


def test_the_public_names_are_exactly_these():
    assert sorted(rnncheck.__all__) == rnncheck.__all__
    assert set(rnncheck.__all__) == {
        "Config", "Conformance", "ContractViolation", "Deviation", "Failed", "Lengths", "Mask", "Offsets", "Options", "Report",
        "Reset", "State", "Subject", "UsageError", "Values",
        "agrees_with", "bounded", "check_case", "checked", "near", "norm_at_most", "parametrize", "property", "scan", "settle",
        "unit_interval", "verify", "watch", "within",
    }  # fmt: skip
    for name in rnncheck.__all__:
        assert getattr(rnncheck, name).__doc__, name


def test_the_plugin_imports_nothing_of_the_package_at_its_top():
    top = ast.parse((ROOT / "rnncheck_pytest.py").read_text()).body
    named = [ast.unparse(node) for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [line for line in named if "rnncheck" in line]


def test_every_property_that_was_promised_is_there():
    promised = (Path(__file__).parent / "catalog" / "ids.txt").read_text().split()
    assert [id for id in promised if id not in CATALOG] == []


def kills() -> dict[str, str]:
    """The tables KILLS of tests/catalog: property -> the mutant that justifies it."""
    found: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / "catalog").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"kills_of_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        for name in vars(module):
            found |= getattr(module, name) if name.startswith("KILLS") else {}
    return found


def test_no_property_without_a_mutant_that_it_kills():
    assert sorted(set(CATALOG) - set(kills())) == []


def test_no_kill_of_a_property_that_is_not_there():
    assert sorted(set(kills()) - set(CATALOG)) == []


def test_every_statement_is_a_sentence_and_every_property_has_a_source():
    for prop in CATALOG.values():
        assert prop.statement.endswith("."), prop.id
        assert prop.formula, prop.id
        assert prop.source, prop.id
