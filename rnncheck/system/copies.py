"""Copies of this process that a subject's fork makes; on every system, also where none can be made."""

import os


def end_a_copy(process: int) -> None:
    """End this process if it is not the one with this pid, but a copy that a subject's fork made of it."""
    if os.getpid() != process:
        os._exit(1)
