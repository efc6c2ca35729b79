"""Which script shows a failure: against the equations where the run itself is wrong, else by the calls that were made."""

import textwrap
from typing import Any

from rnncheck.environment import environment
from rnncheck.property import Property
from rnncheck.repro.against_equations import against_equations
from rnncheck.repro.calls import calls_made
from rnncheck.repro.clip_calls import clip_calls
from rnncheck.repro.literal import NoLiteral
from rnncheck.subject import Malformed, Subject
from rnncheck.switches import as_python
from rnncheck.trial import SubjectError
from rnncheck.verdict import Outcome


def script(subject: Subject, prop: Property, case: Any, outcome: Outcome) -> str | None:
    """A Python file that fails where the case fails, or None where none can be written (no way to import the subject)."""
    if subject.source is None:
        return None
    for write in (against_equations, calls_made, clip_calls):
        try:
            body = write(subject, prop, case)
        except (NoLiteral, SubjectError, Malformed):  # this way does not lead there; another may
            continue
        if body is not None:
            return _head(subject, prop, case, outcome) + body
    return None


def _head(subject: Subject, prop: Property, case: Any, outcome: Outcome) -> str:
    env = environment()
    told = [f"{prop.id} does not hold for {subject.name}", "", prop.statement, *outcome.mismatches, f"Case: {case}"]
    told += [f"Seen with torch {env['torch']}, Python {env['python']}, {env['platform']}, {env['cpu_capability']}."]
    lines = [line for text in told for line in textwrap.wrap(text, 116) or [""]]
    quoted = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    switches = "".join(f"{line}\n" for line in as_python(getattr(case, "switches", ()), case.device))
    return f'"""{quoted}\n"""\n\nimport torch\nfrom torch import tensor\n\n{subject.source}\n{switches}\n'
