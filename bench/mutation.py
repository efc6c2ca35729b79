"""Machine-made mutants of what we vouch for: cosmic-ray's operators, judged by the catalog, a forked process a mutant.

    python bench/mutation.py [--every N] [FILE ...]      (pip install -e .[mutation]; a minute or two of CPU a file)

The same mutants as ``cosmic-ray init bench/cosmic-ray.toml``, less those in annotations, which nothing runs, and less
those that another operator makes too. No file is touched: a mutant lives in its own process only, which is given what
was loaded and computed before. It is judged where others were killed first, then everywhere; what no property kills the
unit tests are asked about. Survivors that are equivalent are in bench/equivalent.toml, each with its reason.

What is known is kept in .rnncheck/mutation.jsonl, a line a mutant: it goes on where it was stopped (``--fresh`` begins
anew). Exit code 1 if a mutant survives that is not known to be equivalent.
"""

import ast
import difflib
import hashlib
import importlib.machinery
import json
import os
import signal
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import judge_own
import torch
from beartype._cache.cacheclear import clear_caches
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
KNOWN = ROOT / ".rnncheck" / "mutation.jsonl"
EQUIVALENT = ROOT / "bench" / "equivalent.toml"
LAYERS = ("LSTM", "GRU", "RNN")
JUDGED_AS = {
    "rnncheck/cells/elman.py": ("RNN",), "rnncheck/cells/gru.py": ("GRU",), "rnncheck/cells/lstm.py": ("LSTM",),
    "rnncheck/clip.py": ("clip",), "rnncheck/nn/scan.py": LAYERS, "rnncheck/nn/base.py": LAYERS,
    "rnncheck/nn/validation.py": LAYERS, "rnncheck/nn/layers.py": LAYERS, "rnncheck/nn/layout.py": LAYERS,
}  # fmt: skip
"""The files whose mutants are made, and as which subjects they are judged."""
UNIT_TESTS = (
    "cells/test_cells.py", "nn/test_nn.py", "nn/test_nn_refusals.py", "nn/test_nn_transforms.py",
    "test_typechecked.py", "test_clip.py",
)  # fmt: skip
PACKAGES = ("rnncheck.cells.", "rnncheck.nn.")
MUTATED = ("rnncheck.cells", "rnncheck.nn", "rnncheck.scan", "rnncheck.clip")
SECONDS = 120
"""A mutant that takes longer counts as killed: it does not come to an end."""
TRIED_FIRST = 15


@dataclass(frozen=True)
class Mutant:
    """What becomes of one line (or a few) of a file."""

    file: str
    line: int
    was: str
    becomes: str

    @property
    def key(self) -> str:
        """The same as long as the lines are."""
        return hashlib.blake2s(f"{self.file}{self.line}{self.was}{self.becomes}".encode(), digest_size=6).hexdigest()


# ---- the mutants


def mutants(file: str) -> Iterator[tuple[Mutant, str]]:
    """Each mutant of a file, with all its code."""
    code, seen = (ROOT / file).read_text(), set()
    silent = lines_of_annotations(code)
    tree = get_ast(code)
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        places = [place for node in ast_nodes(tree) for place in kind().mutation_positions(node)]
        for occurrence, ((line, column), _) in enumerate(places):
            if any(start <= (line, column) < end for start, end in silent):
                continue
            mutated = mutate_code(code, kind(), occurrence)
            if mutated is not None and mutated not in seen:
                seen.add(mutated)
                yield described(file, code, mutated), mutated


def lines_of_annotations(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where annotations, and aliases of types, are written."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(code)):
        found += [part for part in (getattr(node, "annotation", None), getattr(node, "returns", None)) if part is not None]
    return [((e.lineno, e.col_offset), (e.end_lineno or 0, e.end_col_offset or 0)) for e in found]


def described(file: str, code: str, mutated: str) -> Mutant:
    """Where they differ."""
    old, new = code.splitlines(), mutated.splitlines()
    (_, i, j, k, m), *_ = (op for op in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes() if op[0] != "equal")
    return Mutant(file, i + 1, " ".join(map(str.strip, old[i:j])), " ".join(map(str.strip, new[k:m])))


# ---- one mutant


class Loaded(importlib.machinery.SourceFileLoader):
    """Loads the mutated code in place of the file."""

    def __init__(self, name: str, path: str, code: str) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> Any:
        return compile(self.code, self.path, "exec")


def load(file: str, code: str) -> None:
    """From here on, in this process, that file is this code: all that imports it is imported anew."""
    name = file.removesuffix(".py").replace("/", ".")
    for module in [m for m in sys.modules if m in MUTATED or m.startswith(PACKAGES)]:
        del sys.modules[module]
    clear_caches()  # it takes types of one name for the same

    class Finder:
        @staticmethod
        def find_spec(fullname: str, path: Any = None, target: Any = None) -> Any:
            if fullname != name:
                return None
            return importlib.machinery.ModuleSpec(name, Loaded(name, str(ROOT / file), code), origin=str(ROOT / file))

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]


def killer(file: str, code: str, first: dict[str, list[judge_own.Place]]) -> tuple[str, judge_own.Place | str] | None:
    """Who kills this mutant: a subject's name and the place, or a unit test; None if nobody does."""
    try:
        load(file, code)
        for name in JUDGED_AS[file]:
            clean, cases, places = PREPARED[name]
            red = judge_own.first_red(judge_own.built_anew(name, clean), cases, [*first[name], *places])
            if red is not None:
                return name, red
    except Exception as error:  # it cannot even be imported
        return "import", f"{type(error).__name__}: {error}"
    return None if unit_tests_pass() else ("unit tests", "")


def unit_tests_pass() -> bool:
    import pytest

    return pytest.main([*(str(ROOT / "tests" / name) for name in UNIT_TESTS), "-x", "-q", "-p", "no:cacheprovider"]) == 0


def judged(file: str, code: str, first: dict[str, list[judge_own.Place]]) -> tuple[str, Any] | None:
    """The same in a process of its own; one that crashes, or takes too long, is killed too."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            told = json.dumps(killer(file, code, first))
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return ("process", f"status {status}") if status else json.loads(told)


# ---- all of them

PREPARED: dict[str, Any] = {}


def prepare(names: set[str]) -> None:
    """Subjects, cases and places, looked at once with the code as it is: there all has to hold."""
    for name in sorted(names):
        subject = judge_own.subject(name)
        cases = judge_own.planned(subject)
        PREPARED[name] = subject, cases, judge_own.places(subject, cases)
        red = judge_own.first_red(subject, cases, PREPARED[name][2])
        if red is not None:
            sys.exit(f"not one mutant was judged: {red[1]} is red on the {name} that is not mutated, {cases[red[0]]}")


def known() -> dict[str, dict[str, Any]]:
    lines = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    return {row["key"]: row for row in map(json.loads, lines)}


def equivalents() -> dict[tuple[str, str, str], str]:
    """(file, was, becomes) -> the reason why that is no bug."""
    entries = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {(e["file"], e["was"], becomes): e["reason"] for e in entries for becomes in e["becomes"]}


def judge_all(file: str, every: int) -> list[dict[str, Any]]:
    """What is known of each of a file's mutants, judged now where it was not before."""
    rows, found = known(), []
    killed: dict[str, Counter[judge_own.Place]] = {name: Counter() for name in JUDGED_AS[file]}
    control = judged(file, (ROOT / file).read_text(), dict.fromkeys(killed, []))
    if control is not None:
        sys.exit(f"not one mutant of {file} was judged: the file as it is does not survive, {control}")
    for number, (mutant, code) in enumerate(mutants(file)):
        if number % every:
            continue
        row = rows.get(mutant.key)
        if row is None:
            first = {name: [place for place, _ in places.most_common(TRIED_FIRST)] for name, places in killed.items()}
            by = judged(file, code, first)
            row = {"key": mutant.key, **asdict(mutant), "by": by}
            with KNOWN.open("a") as out:
                out.write(json.dumps(row) + "\n")
            print(number, file, mutant.line, by or f"SURVIVES: {mutant.was}  ->  {mutant.becomes}", flush=True)
        if row["by"] and row["by"][0] in killed:
            killed[row["by"][0]][tuple(row["by"][1])] += 1
        found.append(row)
    return found


def table(rows: dict[str, list[dict[str, Any]]], reasons: dict[tuple[str, str, str], str]) -> str:
    """A line a file: how many, killed by what, equivalent, surviving."""
    lines = ["| file | mutants | killed by a property | by a unit test alone | cannot run | equivalent | survive |",
             "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for file, found in rows.items():
        by = Counter(_how(row) for row in found)
        same = sum(row["by"] is None and _entry(row) in reasons for row in found)
        counts = (len(found), by["property"], by["unit tests"], by["cannot run"], same, by["survives"] - same)
        lines.append(f"| {file} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _how(row: dict[str, Any]) -> str:
    if row["by"] is None:
        return "survives"
    return {"unit tests": "unit tests", "import": "cannot run", "process": "cannot run"}.get(row["by"][0], "property")


def _entry(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["file"], row["was"], row["becomes"]


def main() -> None:
    """Judge the files that are named, or all."""
    words = sys.argv[1:]
    every = int(words[words.index("--every") + 1]) if "--every" in words else 1
    files = [word for word in words if word in JUDGED_AS] or list(JUDGED_AS)
    if "--fresh" in words:
        KNOWN.unlink(missing_ok=True)
    KNOWN.parent.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    judge_own.remember_budgets()
    prepare({name for file in files for name in JUDGED_AS[file]})
    rows, reasons = {file: judge_all(file, every) for file in files}, equivalents()
    print(table(rows, reasons))
    new = [row for found in rows.values() for row in found if row["by"] is None and _entry(row) not in reasons]
    for row in new:
        print(f"survives: {row['file']}:{row['line']}\n  - {row['was']}\n  + {row['becomes']}")
    sys.exit(bool(new))


if __name__ == "__main__":
    main()
