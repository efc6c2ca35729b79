"""The rules of the house: who imports whom, what is public, and no property without a mutant that it kills."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

import rnncheck
from rnncheck.catalog import CATALOG

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rnncheck"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

CORE = ("config", "values", "case", "run", "observation", "subject", "trial", "at_work", "laid_out", "allowed", "property",
        "verdict", "judge", "shrink", "oracle", "catalog", "cells", "nn", "scan",
        "clip", "contracts", "wording", "clip_case", "clip_trial", "clip_truth", "strategies")  # fmt: skip
FORBIDDEN = {
    **dict.fromkeys(CORE, ("faces", "report", "adapters", "engine", "campaign")),
    "oracle": ("nn", "cells", "scan", "catalog", "trial", "subject", "judge", "adapters", "faces", "report", "engine"),
    "cells": ("nn", "oracle", "catalog", "trial", "subject", "judge", "adapters", "faces", "report", "engine", "case"),
    "nn": ("oracle", "catalog", "trial", "subject", "judge", "adapters", "faces", "report", "engine", "case"),
    "catalog": ("adapters", "faces", "report", "engine", "judge", "campaign", "falsify", "strategies", "nn"),
    "adapters": ("faces", "report", "campaign"),
    "report": ("faces", "adapters", "engine", "campaign", "catalog", "judge"),
    "engine": ("faces", "report", "campaign", "catalog"),
    "bundle": ("faces", "campaign"),
    "campaign": ("faces", "adapters", "catalog"),
    "docket": ("faces", "adapters", "catalog"),
}
"""Who may not import whom: data flows one way, the core names no library's adapter, faces are on top."""
HYPOTHESIS = ("falsify", "strategies")


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, also inside functions, but not for type checkers alone."""
    tree = ast.parse(path.read_text())
    skipped = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
               for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    targets = {name.split(".")[1] for name in imports_of(path) if name.startswith("rnncheck.")}
    assert not targets & set(FORBIDDEN.get(part_of(path), ()))


def test_the_rule_on_imports_can_be_broken(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("def f():\n    from rnncheck.faces import cli\n")
    assert "rnncheck.faces" in imports_of(file)


def test_only_falsify_and_the_strategies_know_hypothesis():
    knowing = {part_of(path) for path in FILES if any(name.split(".")[0] == "hypothesis" for name in imports_of(path))}
    assert knowing == set(HYPOTHESIS)


def test_no_stringified_annotations_where_types_are_checked():
    wrong = [path for folder in ("rnncheck", "properties") for path in (ROOT / folder).rglob("*.py")
             if "from __future__ import annotations" in path.read_text()]
    assert wrong == []


def test_the_public_names_are_exactly_these():
    assert sorted(rnncheck.__all__) == rnncheck.__all__
    assert set(rnncheck.__all__) == {
        "Config", "Conformance", "ContractViolation", "Deviation", "Failed", "Report", "Subject", "UsageError",
        "agrees_with", "bounded", "check_case", "checked", "norm_at_most", "parametrize", "settle", "unit_interval", "verify",
        "watch",
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
