"""What is found of a target's reading, as text."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.instance import Instance
from rnncheck.adapters.probing.probe import read_subject
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.errors import UsageError
from rnncheck.reading.calls.experiment import Unreadable


def reading_text(target: Any, kind: str | None = None, said: Mapping[str, Any] | None = None) -> str:
    """Return the reading of a target as TOML, below a line that says it in words.

    Raises UsageError where it cannot be read, or is no layer.
    """
    (subject,) = subjects(target, kind=kind)
    if subject.kind == "clip":
        raise UsageError(f"{subject.name}: is a function that clips gradients, and only layers are read")
    if subject.named is not None:
        return (
            f"# {subject.name} is read as: recurrence of its own, {subject.read_as}\n# its types say so: change them, or mark them"
        )
    try:
        known = not isinstance(subject.build, Constructor | Instance)
        reading = None if known else read_subject(replace(subject, said={**subject.said, **(said or {})}))
    except Unreadable as error:
        untold = getattr(subject.build, "untold", "")
        raise UsageError(f"{subject.name}: {untold or f'cannot be read: {error}'}") from None
    if reading is None:
        return f"# {subject.name} is built and called as torch.nn's layers are: there is nothing to say"
    return f"# {subject.name} is read as: {reading.kind}, {reading.words()}\n{reading.as_text()}"
