"""``python -m found [NAME ...]``: judge these modules of found/, or all whose packages are here in the versions that they are
about, and write docs/found.json and docs/found.md.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from found.findings import findings, shown
from found.judging import here, judge, modules
from found.page import page

DATA = Path(__file__).parents[1] / "docs" / "found.json"


def main(names: list[str]) -> int:
    """Judge, write the page, and return 1 where a script no longer shows its finding."""
    known = modules()
    if unknown := sorted(set(names) - set(known)):
        print(f"found: no module {unknown[0]}; write one of {', '.join(known)}", file=sys.stderr)
        return 2
    return max([_judged(name, known) for name in names or filter(here, known)], default=0)


def _judged(name: str, known: list[str]) -> int:
    """Judge one module and write it down at once: what is judged next may end the process."""
    judged = []
    for one in judge(name):
        print(f"{one['package']} {one['name']}: {one['cases']} cases, {len(one['red'])} red", flush=True)
        judged.append(one)
    old = json.loads(DATA.read_text()) if DATA.exists() else {"judged": [], "findings": {}}
    judged += [one for one in old["judged"] if one["module"] in known and one["module"] != name]
    judged.sort(key=lambda one: known.index(one["module"]))
    return _write(judged, {name: one.get("ends") for name, one in old["findings"].items()}, name)


def _write(judged: list[dict[str, Any]], ends: dict[str, str | None], module: str) -> int:
    """Write data and page, with how the scripts of this module end now, and those of others ended before, if they were run."""
    told = {one["module"] for one in judged}
    found = {name: one for name, one in findings().items() if one["module"] in told}
    for name, one in found.items():
        if one["defect"]:
            again = one["module"] == module or (ends.get(name) is None and here(one["module"]))
            one["ends"] = shown(name) if again else ends.get(name)
    data = {"torch": torch.__version__, "python": platform.python_version(), "judged": judged, "findings": found}
    DATA.write_text(json.dumps(data, indent=1) + "\n")
    DATA.with_suffix(".md").write_text(page(data))
    gone = [name for name, one in found.items() if one["defect"] and one["ends"] is None]
    for name in gone:
        print(f"found: {name}.py passes, but should fail: the defect is gone in this version", file=sys.stderr)
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
