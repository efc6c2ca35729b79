"""Whether what a file names may be imported: a stored case may be from anybody, and importing runs code."""

import importlib.util
import os
import sysconfig
from pathlib import Path

from rnncheck.core.plain_text import one_line

KNOWN = ("torch.nn.", "torch.nn:", "rnncheck.nn.", "rnncheck.nn:", "rnncheck.clip.", "rnncheck.clip:")
"""Names whose code is loaded already, and builds layers and nothing else."""
INSTALLED = ("site-packages", "dist-packages")


def outside(reference: str) -> str | None:
    """Return where the code lies that ``reference`` names, if that is outside of the current project; nothing is imported.

    The project is the current folder with all that is in it, without what is installed there.

    >>> outside("torch.nn.LSTM") is None
    True
    """
    if reference.startswith(KNOWN):
        return None
    place = reference.rpartition(":")[0] or reference
    if place.endswith(".py") or "/" in place or os.sep in place:
        places = [Path(place)]
    else:
        places = _module(place.partition(".")[0])
    return next((one_line(one) for one in places if not _inside(one)), None)


def _module(top: str) -> list[Path]:
    """Where a module would be imported from; where there is none, nothing would be."""
    here = [Path.cwd() / f"{top}.py", Path.cwd() / top]
    if found := [one for one in here if one.exists()]:
        return found[:1]
    built_in = [Path(sysconfig.get_paths()["stdlib"]) / top]
    try:
        spec = importlib.util.find_spec(top)
    except Exception:  # __main__ has none
        return built_in
    if spec is None:
        return []
    lies_in = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
    return [Path(one) for one in lies_in] or built_in


def _inside(path: Path) -> bool:
    """Whether a path lies in the current folder, links followed, and not among what is installed."""
    try:
        real, project = Path(os.path.realpath(path)), Path(os.path.realpath(Path.cwd()))
    except (OSError, ValueError):
        return False
    in_it = real.is_relative_to(project) and project != Path(project.anchor)
    return in_it and not set(INSTALLED) & set(real.parts)
