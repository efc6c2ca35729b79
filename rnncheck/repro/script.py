"""Which script shows a failure: against the equations where the run itself is wrong, else as the property looks at it."""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rnncheck.backend.environment import environment
from rnncheck.backend.switches import as_python, switched
from rnncheck.backend.torch_state import preserved
from rnncheck.core.property import Property
from rnncheck.core.subject import Malformed, Subject
from rnncheck.core.verdict import Outcome
from rnncheck.repro.against_equations import against_equations
from rnncheck.repro.calls import calls_made
from rnncheck.repro.fatal import deadly, how_it_ends
from rnncheck.repro.literal import NoLiteral
from rnncheck.repro.named_calls import named_script
from rnncheck.repro.pair_calls import pair_calls
from rnncheck.repro.step_calls import step_calls
from rnncheck.running.trial import SubjectError

MOST_TOLD = 8
"""Mismatches at the head of a script."""
IMPORTS = ("import torch", "from torch import tensor")
WRITERS = (
    against_equations,
    calls_made,
    step_calls,
    pair_calls,
)
"""In this order: each writes a script's body, or None where its way does not lead there."""


def script(subject: Subject, prop: Property, case: Any, outcome: Outcome) -> str | None:
    """A Python file that fails where the case fails, or None where none can be written (no way to import the subject)."""
    if subject.source is None:
        return None
    with switched(getattr(case, "switches", ()), case.device):
        shown = _named_calls(subject, prop, case)
        if shown is not None:
            return _with_imports_first(_head(replace(subject, source=subject.build.target.lines), prop, case, outcome), shown)
        for write in WRITERS:
            try:
                with preserved():
                    body = write(subject, prop, case)
            except (NoLiteral, SubjectError, Malformed):  # this way does not lead there; another may
                continue
            if body is not None:
                return _with_imports_first(_head(subject, prop, case, outcome), body)
    return None


def _with_imports_first(head: str, body: str) -> str:
    """Return the whole script, the body's imports at its head, but those from a path said before them."""
    lines, there = body.splitlines(), head.splitlines()
    paths = [number for number, line in enumerate(lines) if line.startswith("sys.path.insert")]
    imports = dict.fromkeys(line for line in lines[: min(paths, default=len(lines))] if line.startswith(("import ", "from ")))
    rest = "\n".join(line for line in lines if line not in imports and not (line.startswith("sys.path.") and line in there))
    more = "\n".join(_merged(line for line in imports if line not in there))
    first = "\n".join(IMPORTS)
    return head.replace(first, f"{more}\n\n{first}" if more else first, 1) + "\n" + rest.lstrip("\n") + "\n"


def _merged(imports: Iterable[str]) -> list[str]:
    """Return these imports in order, one for each module."""
    names: dict[str, list[str]] = {}
    for line in imports:
        module, _, name = line.partition(" import ")
        names.setdefault(module, []).extend([name] if name else [])
    lines = [f"{module} import {', '.join(sorted(found))}" if found else module for module, found in sorted(names.items())]
    return sorted(lines, key=lambda line: not line.startswith("import "))


def _named_calls(subject: Subject, prop: Property, case: Any) -> str | None:
    """Calls of a typed function by itself, without the wrapper, where they show the failure."""
    try:
        return named_script(subject, prop, case)
    except (NoLiteral, SubjectError, Malformed):
        return None


def deadly_script(subject: Subject, prop: Property, case: Any, outcome: Outcome) -> str | None:
    """The same for a case on which the process dies or hangs; the subject is not run for it."""
    try:
        return None if subject.source is None else _head(subject, prop, case, outcome) + deadly(subject, case)
    except NoLiteral:
        return None


def _head(subject: Subject, prop: Property, case: Any, outcome: Outcome) -> str:
    env = environment()
    told = [f"{prop.id} does not hold for {subject.name}", "", prop.statement, *outcome.mismatches[:MOST_TOLD]]
    told += [f"and {more} more" for more in [len(outcome.mismatches) - MOST_TOLD] if more > 0]
    told += [f"{outcome.status}: {line}" for line in (outcome.reason or "").splitlines()[:1] if outcome.status != "fails"]
    told += [f"Case: {case}"]
    told += [f"Seen with torch {env['torch']}, Python {env['python']}, {env['platform']}, {env['cpu_capability']}."]
    lines = [line for text in told for line in textwrap.wrap(text, 116) or [""]]
    quoted = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    switches = "".join(f"{line}\n" for line in as_python(getattr(case, "switches", ()), case.device))
    raised = re.match(r"(\w+) while ", outcome.reason or "")
    says = f"# expected to raise {raised[1]}" if raised and outcome.status == "errored" else how_it_ends(outcome)
    said, imports = f"{says}\n" if says else "", "\n".join(IMPORTS)
    return f'"""{quoted}\n"""\n\n{imports}\n\n{said}{subject.source}\n{switches}\n'
