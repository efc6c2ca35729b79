"""How long a process has waited for a core: on a machine with much to do, a check that takes long has not therefore hung."""

from pathlib import Path


def waited(pid: int) -> float:
    """Return the seconds in which the process could have run and did not; 0 where the system does not say (Linux does)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
