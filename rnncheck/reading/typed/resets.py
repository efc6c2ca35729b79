"""Flags that say at which steps a typed recurrence forgets its state, as at the beginning of an episode."""

from dataclasses import replace

from rnncheck.errors import UsageError
from rnncheck.reading.typed.markers import Reset
from rnncheck.reading.typed.roles import Argument

RESETS = ("reset", "resets", "reset_mask", "reset_flags", "first", "is_first", "is_init", "starts", "episode_starts",
          "episode_start", "begins", "done", "dones", "is_done")  # fmt: skip
"""What these arguments are called; of all of them the state is forgotten before the step, unless ``Reset(after=True)`` is said."""

NEVER_BETWEEN = ("is_first", "is_init", "done", "dones", "is_done", "episode_starts", "episode_start", "reset_flags")
"""Names of flags that are 0 or 1 also where they are real numbers."""


def as_flags(argument: Argument, time: str, batch: str | None, function: str) -> Argument:
    """Return the argument, marked as reset flags where its annotation or its name says so; raises UsageError on other axes."""
    marked = argument.said(Reset)
    if len(argument.tensors) != 1 or (marked is None and (argument.name not in RESETS or not argument.has(time))):
        return argument
    (leaf,) = argument.tensors
    if marked is None and leaf.floating and argument.name not in NEVER_BETWEEN:
        return argument
    wrong = [axis for axis in leaf.axes if axis not in (time, batch, "1")]
    if wrong or time not in leaf.axes:
        wanted = " ".join(axis for axis in (batch, time) if axis)
        raise UsageError(f'{function}: {argument.name} has the axes ({" ".join(leaf.axes)}), but reset flags have "{wanted}"')
    return argument if marked else replace(argument, tree=replace(leaf, markers=(*leaf.markers, Reset())))
