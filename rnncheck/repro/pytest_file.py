"""The smallest failing case as a pytest test that uses rnncheck: red now, green once the subject is fixed."""

import re
from math import isfinite
from typing import Any

from rnncheck.core.subject import Subject

TEMPLATE = '''"""{title}"""

import rnncheck

CASE = {{
{case}
}}


def test_{name}():
    rnncheck.check_case({target!r}, {property!r}, CASE{against})
'''


def snippet(subject: Subject, property: str, case: Any) -> str | None:
    """The test's text; None where a script cannot import the subject, or the case has numbers without a literal."""
    data = case.to_json()
    if subject.source is None or not _literal(data):
        return None
    return TEMPLATE.format(
        title=f"{property}: a case on which it failed.",
        case="\n".join(f"    {key!r}: {value!r}," for key, value in data.items()),
        name=_word(f"{property}_{_last(subject.name)}"),
        target=subject.name.partition(" on ")[0],  # the case says on which device
        property=property,
        against="" if subject.against is None else f", against={subject.against!r}",
    )


def snippet_name(stem: str) -> str:
    """``test_time_split_FastLSTM.py`` for a case file or script ``time.split-FastLSTM``."""
    return f"test_{_word(stem)}.py"


def _last(name: str) -> str:
    own = name.partition(" typed by ")[0]
    return own.rpartition(":")[2] or own


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")


def _literal(data: Any) -> bool:
    """Whether repr gives Python that needs no import."""
    if isinstance(data, dict | list | tuple):
        return all(map(_literal, data.values() if isinstance(data, dict) else data))
    return not isinstance(data, float) or isfinite(data)
