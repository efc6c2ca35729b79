"""What was found and checked by hand: a table for each, and a script that shows it in plain torch and that package."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "findings"
SECONDS = 120
"""How long a script may take; most of it is the import of its package."""


def findings() -> dict[str, dict[str, Any]]:
    """Return every finding by its name; a defect with the text of its script."""
    tables = tomllib.loads((FOLDER / "findings.toml").read_text())
    return {name: {"defect": True, **table, **_script(name)} for name, table in tables.items()}


def _script(name: str) -> dict[str, str]:
    path = FOLDER / f"{name}.py"
    return {"script": path.read_text()} if path.exists() else {}


def shown(name: str) -> str | None:
    """Run the script of a finding, and return the last line of what it raises; None where it passes."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", FOLDER / f"{name}.py"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def explains(finding: dict[str, Any], judged: dict[str, Any], red: dict[str, Any]) -> bool:
    """Return whether the finding is what is behind a red cause."""
    same = finding["module"] == judged["module"] and judged["name"] in finding["judged"]
    return same and red["property"] in finding["shown_by"]
