"""Writes docs/kills.md: ``python -m tests.mutants.page``. Takes a while; the figures are of the machine it ran on."""

import multiprocessing
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

from rnncheck.case import Case
from rnncheck.catalog import CATALOG
from tests.mutants import MUTANTS, NOT_PLANTED
from tests.mutants.hunt import first_kill, killers, smallest, subject_of

CASES = 8
"""So many cases, of the pairwise covering array, make the matrix."""


def examine(bug: str) -> tuple[str, str, int, float, str, int, list[str]]:
    """bug, its first killer, cases, seconds, the smallest case and its largest size, everything else that kills it."""
    subject = subject_of(MUTANTS[bug])
    kill = first_kill(subject)
    if kill is None:
        return bug, "-", 0, 0.0, "SURVIVES", 0, []
    case = smallest(subject, kill)
    sizes = (case.time, case.rows, case.config.input_size, case.config.hidden_size) if isinstance(case, Case) else (0,)
    return bug, kill.prop.id, kill.cases, kill.seconds, str(case), max(sizes), killers(subject, CASES)


def page(rows: list[tuple[str, str, int, float, str, int, list[str]]]) -> str:
    """The page as Markdown."""
    seconds, cases, sizes = [r[3] for r in rows], [r[2] for r in rows], [r[5] for r in rows if r[5]]
    kills_of: dict[str, list[str]] = defaultdict(list)
    for bug, first, _, _, _, _, others in rows:
        for prop in {first, *others}:
            kills_of[prop].append(bug)
    count = Counter(len({r[1], *r[6]}) for r in rows)
    alone = [(r[0], r[1]) for r in rows if set(r[6]) <= {r[1]}]
    idle = [id for id in CATALOG if not kills_of[id]]
    lines = ["# What kills what", "", f"{len(rows)} planted bugs ({len(NOT_PLANTED)} of the historic ones could not be planted), "
             f"{len(CATALOG)} properties. One core, the cases of the `ci` profile in their order, cheap properties first; shrunk as always.",
             "Made by `python -m tests.mutants.page`; `tests/test_kills.py` holds it to its word.", "",
             f"- survivors: {sum(r[4] == 'SURVIVES' for r in rows)}",
             f"- seconds until the first failing case: median {median(seconds):.2f}, worst {max(seconds):.1f}",
             f"- cases until then: median {median(cases):.0f}, worst {max(cases)}",
             f"- largest size in the shrunk case: median {median(sizes):.0f}, worst {max(sizes)}",
             f"- caught by one property alone within the first {CASES} cases: {count[1]}", "",
             "## Each bug", "", "| bug | first killed by | cases | seconds | smallest case | others, on the first cases |", "|---|---|---:|---:|---|---:|"]  # fmt: skip
    lines += [f"| {b} | {p} | {n} | {s:.2f} | {c[:110]} | {len(o)} |" for b, p, n, s, c, _, o in sorted(rows)]
    lines += ["", "## Each property", "", f"Bugs that it kills on the first {CASES} cases, or first of all.", "", "| property | bugs |", "|---|---:|"]
    lines += [f"| {id} | {len(kills_of[id])} |" for id in CATALOG]
    lines += ["", "## Caught by one property alone", "", *(f"- {bug}: {prop}" for bug, prop in sorted(alone)), ""]
    lines += ["## Killing nothing on the first cases", "", "Each has its own mutant all the same, in `tests/catalog`, on cases that it needs:", ""]
    return "\n".join([*lines, ", ".join(idle) + "."]) + "\n"


def main() -> None:
    """Examine every mutant on two processes and write the page."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        rows = []
        for row in pool.imap_unordered(examine, MUTANTS):
            rows.append(row)
            print(len(rows), *row[:4], row[4][:80], flush=True)
    Path("docs/kills.md").write_text(page(rows))


if __name__ == "__main__":
    main()
