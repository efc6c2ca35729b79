"""Writes docs/kills.md: ``python -m tests.mutants.kills_page``. Takes a while; the figures are of the machine it ran on.

One process. What is known of each mutant is kept in a file, a line a mutant, so that it can be stopped and gone on with;
``--fresh`` begins anew.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from rnncheck.catalog import CATALOG, select
from rnncheck.core.case import Case
from tests.mutants import MUTANTS, NOT_PLANTED
from tests.mutants.search import DEAR, first_kill, killers, smallest, subject_of

KNOWN = Path(".rnncheck/kills.jsonl")
PAGE = Path("docs/kills.md")
MACHINE_MADE = Path("tests/mutants/machine_made.md")
"""What cosmic-ray's mutants came to: the last section, written by hand."""

FEW = 3
"""Of a property that sees fewer bugs nothing is concluded."""

Row = dict[str, Any]


def examine(bug: str) -> Row:
    """The first killer of a mutant, after how many cases and CPU seconds, the smallest case, and what else kills it."""
    mutant, begun = MUTANTS[bug], time.process_time()
    subject = subject_of(mutant)
    kill = first_kill(subject, among=mutant.property_hint if for_dear_ones(mutant) else ("*",))
    spent = time.process_time() - begun
    if kill is None:
        return {"bug": bug, "first": None, "cases": 0, "seconds": spent, "smallest": "", "size": 0, "others": []}
    case = smallest(subject, kill)
    sizes = (case.time, case.rows, case.config.input_size, case.config.hidden_size) if isinstance(case, Case) else (0,)
    others = [id for id in killers(subject, kill.case) if id != kill.prop.id]
    return {"bug": bug, "first": kill.prop.id, "cases": kill.cases, "seconds": spent, "smallest": str(case),
            "size": max(sizes), "others": others}  # fmt: skip


def for_dear_ones(mutant: Any) -> bool:
    """Whether only properties that cost much (compilers) are meant to kill it."""
    return all(prop.cost > DEAR for prop in select(",".join(mutant.property_hint)))


def known() -> dict[str, Row]:
    """What was found before of mutants that are still there."""
    lines = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    return {row["bug"]: row for row in map(json.loads, lines) if row["bug"] in MUTANTS}


def page(rows: list[Row]) -> str:
    """The page as Markdown."""
    kills_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for prop in filter(None, (row["first"], *(row["others"] or ()))):
            kills_of[prop].add(row["bug"])
    alone = [row for row in rows if row["first"] and row["others"] == []]
    idle = [id for id in CATALOG if not kills_of[id]]
    first = Counter(row["first"] for row in rows)
    return "\n".join([
        *_top(rows), "", "## Caught by one property alone", "",
        "On the case that shows these bugs first, one property alone is red: without it they would be found later, or not.",
        "", *(f"- {row['bug']}: {row['first']}" for row in alone), "", "## Properties", "",
        "How many of the bugs each property sees on the case that shows the bug first, and of how many it is the first to tell.", "",
        "| property | sees | first |", "|---|---:|---:|",
        *(f"| {id} | {len(kills_of[id])} | {first[id]} |" for id in CATALOG if kills_of[id]), "",
        f"Red on none of these cases: {', '.join(idle)}. Each has a mutant of its own all the same, in `tests/catalog`, on cases that it needs.",
        "", *_redundant(kills_of), "", "## Bugs", "",
        "| bug | first killed by | cases | CPU s | smallest case | others |", "|---|---|---:|---:|---|---:|",
        *(_line(row) for row in rows), *([MACHINE_MADE.read_text().rstrip()] if MACHINE_MADE.exists() else []),
    ]) + "\n"  # fmt: skip


def _top(rows: list[Row]) -> list[str]:
    seconds, cases, sizes = ([row[key] for row in rows if row["first"]] for key in ("seconds", "cases", "size"))
    survivors = [row["bug"] for row in rows if not row["first"]]
    large = [f"{row['bug']} ({row['size']})" for row in rows if row["size"] > 4]
    return [
        "# What kills what", "",
        f"{len(rows)} planted bugs ({len(NOT_PLANTED)} of the historic ones could not be planted), {len(CATALOG)} properties. "
        "The cases of the `ci` profile in their order, on each the cheap properties first, until one is red; then that case is shrunk.",
        "Made by `python -m tests.mutants.kills_page`; `tests/catalog/test_kills.py` holds it to its word. Seconds are of one core.", "",
        *_earlier(rows),
        f"- survivors: {', '.join(survivors) or 'none'}",
        f"- CPU seconds until the first failing case: median {median(seconds):.2f}, worst {max(seconds):.1f}",
        f"- cases until then: median {median(cases):.0f}, worst {max(cases)}",
        f"- largest size in the shrunk case: median {median(size for size in sizes if size):.0f}; above 4: {', '.join(large) or 'none'}",
    ]  # fmt: skip


def _earlier(rows: list[Row]) -> list[str]:
    """What is said of rows that an earlier run left behind."""
    earlier = sum(row["others"] is None for row in rows)
    return [f"For {earlier} bugs (no number under *others*) the figures are of an earlier run, in which the cases of large sizes came last and "
            "all plain cases had the same sizes; `--fresh` measures them again.", ""] if earlier else []  # fmt: skip


def _redundant(kills_of: dict[str, set[str]]) -> list[str]:
    """Properties all of whose bugs, if they are not too few, one other property of the same family sees too."""
    pairs = [
        (id, other) for id in CATALOG for other in CATALOG
        if id != other and len(kills_of[id]) >= FEW and kills_of[id] < kills_of[other] and CATALOG[id].family == CATALOG[other].family
    ]  # fmt: skip
    within = {id: [other for one, other in pairs if one == id] for id, _ in pairs}
    return ["Redundant for the planted bugs, on these cases alone (a relative in the family sees all that it sees, and more); they stay where they "
            "need less of a subject, or say better what is wrong:", "",
            *(f"- {id}: {', '.join(others)}" for id, others in within.items())]  # fmt: skip


def _line(row: Row) -> str:
    others = "" if row["others"] is None else len(row["others"])
    case = row["smallest"] if len(row["smallest"]) < 110 else row["smallest"][:107] + "..."
    return f"| {row['bug']} | {row['first'] or '**survives**'} | {row['cases']} | {row['seconds']:.2f} | {case} | {others} |"


def main() -> None:
    """Examine every mutant that is not known yet, and write the page."""
    if "--fresh" in sys.argv:
        KNOWN.unlink(missing_ok=True)
    KNOWN.parent.mkdir(exist_ok=True)
    rows = known()
    for bug in (bug for bug in MUTANTS if bug not in rows):
        rows[bug] = examine(bug)
        with KNOWN.open("a") as file:
            file.write(json.dumps(rows[bug]) + "\n")
        print(len(rows), bug, rows[bug]["first"], f"{rows[bug]['seconds']:.2f} s", flush=True)
    PAGE.write_text(page(sorted(rows.values(), key=lambda row: row["bug"])))


if __name__ == "__main__":
    main()
