"""Runs a script once, alone, before it is handed over."""

import subprocess
import sys
from pathlib import Path

SECONDS = 120


def reproduces(script: Path, folder: Path | None = None) -> str | None:
    """None if the script fails by itself, as it should; else a line that says what happened instead.

    Runs in ``folder`` (default: the current one) with the same Python, so that it finds the subject's own module.
    """
    command = [sys.executable, "-W", "ignore", str(script.resolve())]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None  # it hangs, as the case does
    if ended.returncode == 0:
        return "the script does not fail by itself: what fails needs more than this one case"
    last = ended.stderr.strip().splitlines()[-1:] or ["no message"]
    marker = "AssertionError" in ended.stderr or ended.returncode < 0 or "# expected to raise" in script.read_text()
    return None if marker else f"the script ends otherwise: {last[0]}"
