"""Write a page for every property, docs/properties/ID.md, and their index: ``python docs/pages.py``.

``--check`` writes nothing; the exit code is 1 where a page is out of date. ``--examples`` first makes the failing examples that
are not there yet (``--examples ID`` those of one property anew): each is a planted bug that the property kills, shrunk. They lie in
docs/properties/examples.json; all of them take some minutes.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnncheck.catalog import CATALOG
from rnncheck.catalog.card import code, facts, sections
from rnncheck.core.property import Property

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "properties"
EXAMPLES = FOLDER / "examples.json"
ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")
ELSEWHERE = {"agree.device": "an accelerator", "agree.captured": "CUDA", "numeric.many_steps": "CUDA"}
"""Properties whose planted bug shows only on a machine that has this; the tests put a stand-in in its place."""
MOST_MISMATCHES, WIDEST = 3, 400
"""Lines of a message, and characters of a line, that an example shows."""
WIDTH = 110
"""Characters, after which a line is wrapped."""


def examples() -> dict[str, dict[str, Any]]:
    """Return the failing examples by property: the planted bug, the calls, the message."""
    return json.loads(EXAMPLES.read_text(encoding="utf-8")) if EXAMPLES.exists() else {}


def page(prop: Property, example: Mapping[str, Any] | None) -> str:
    """Return the page of one property as Markdown."""
    parts = [f"# {prop.id}", prop.statement, f"```text\n{prop.formula}\n```"]
    parts += [part for heading, text in sections(prop) for part in (f"## {heading}", _linked(text))]
    parts += list(_example(prop, example)) if example else _no_example(prop)
    rows = [f"| {name} | {_cell(value)} |" for name, value in facts(prop) if name != "formula"]
    parts += ["## How it is checked", "\n".join(["| | |", "|---|---|", *rows]), f"```python\n{code(prop)}\n```"]
    parts += [f"`rnncheck explain {prop.id}` shows this in the terminal; `rnncheck verify mine.py:MyLayer --properties {prop.id}` "
              "checks it alone. [All properties](README.md)"]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _example(prop: Property, example: Mapping[str, Any]) -> Iterator[str]:
    yield "## A failing example"
    yield f"The smallest case of a planted bug, `{example['bug']}` in `tests`:"
    if example["calls"]:
        yield f"```python\n{example['calls']}\n```"
    lines = (textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in (*example["message"], f"case: {example['case']}"))
    yield "```text\n" + "\n".join(lines) + "\n```"


def _no_example(prop: Property) -> list[str]:
    if prop.id not in ELSEWHERE:
        return []
    return ["## A failing example", f"Only {ELSEWHERE[prop.id]} shows one. In `tests/catalog` a stand-in for the device "
            "shows that this property finds its planted bug."]  # fmt: skip


def index() -> str:
    """Return the list of all pages by family."""
    parts = ["# The properties", f"{len(CATALOG)} properties of recurrent layers, a page each: why it matters, how to fix "
             "a layer that breaks it, what it does not see, a failing example, and the code that is run."]  # fmt: skip
    for family in dict.fromkeys(prop.family for prop in CATALOG.values()):
        rows = [f"| [{prop.id}]({prop.id}.md) | {_cell(prop.statement)} |" for prop in CATALOG.values() if prop.family == family]
        parts += [f"## {family}", "\n".join(["| property | states |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _linked(text: str) -> str:
    """Return the text with links to the issues that it names."""
    return ISSUE.sub(r"[\g<0>](https://github.com/\1/issues/\2)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """Return every page by its file."""
    shown = examples()
    return {FOLDER / "README.md": index(), **{FOLDER / f"{id}.md": page(prop, shown.get(id)) for id, prop in CATALOG.items()}}


def outdated() -> list[str]:
    """Return the names of the pages that are not what the catalog says, or that should not be there."""
    wanted = pages()
    changed = [file.name for file, text in wanted.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    return changed + sorted(file.name for file in FOLDER.glob("*.md") if file not in wanted)


def example_of(prop: Property, bug: str) -> dict[str, Any] | None:
    """Return the smallest failing case of a planted bug, None where the bug does not show on planned cases on this machine."""
    from rnncheck.judging.explain import explain
    from rnncheck.judging.judge import judge, trial_of
    from rnncheck.judging.shrink import shrink
    from tests.catalog.support import killed
    from tests.mutants.search import first_kill, judged, planted

    subject = planted(prop, bug)
    first = first_kill(subject, 150, (prop.id,))
    found = (first.case, first.outcome) if first else killed(prop, subject, 120) if prop.about == "layer" else None
    if found is None:
        return None
    case = shrink(found[0], lambda case: judged(prop, trial_of(subject, case)).status == found[1].status).case
    outcome = judge(prop, trial_of(subject, case))
    told = explain(prop, trial_of(subject, case), outcome)
    lines = [*outcome.mismatches[:MOST_MISMATCHES], *(outcome.reason or "").splitlines()[:1]]
    lines += [told.diagnosis] if told.diagnosis else []
    return {"bug": bug, "case": str(case), "calls": told.calls, "message": [line[:WIDEST] for line in lines]}


def make_examples(ids: list[str]) -> None:
    """Make the failing examples of these properties anew, of all that have none where none is named; each is kept at once."""
    sys.path.insert(0, str(ROOT))
    from tests.test_house import kills

    planted, shown = kills(), examples()
    for id in ids or [id for id in CATALOG if not shown.get(id) and id not in ELSEWHERE]:
        shown[id] = example_of(CATALOG[id], planted[id]) or {}
        print(id, "none here" if not shown[id] else shown[id]["case"], flush=True)
        EXAMPLES.write_text(json.dumps(dict(sorted(shown.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(words: list[str]) -> int:
    """Write the pages, or only compare them; return the exit code."""
    if words[:1] == ["--examples"]:
        make_examples(words[1:])
    if words == ["--check"]:
        print("\n".join(outdated()))
        return int(bool(outdated()))
    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
