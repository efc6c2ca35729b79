"""The end of a pytest run: each cause once, as the report on one screen has it, whatever items show it."""

import base64
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.screen import cause_lines


def packed(report: Results) -> str:
    """Return what is red in a report as text, which the workers of pytest-xdist can send."""
    subjects = [replace(subject, verdicts=tuple(v for v in subject.verdicts if v.red), shown=()) for subject in report.subjects]
    return base64.b64encode(pickle.dumps(subjects)).decode()


def summary(failures: Iterable[str], width: int) -> Iterator[str]:
    """Yield the lines about all failures, each packed by the process that found it."""
    together: dict[tuple[str, str | None], SubjectReport] = {}
    for text in failures:
        for one in pickle.loads(base64.b64decode(text)):
            before = together.get((one.name, one.reading))
            together[one.name, one.reading] = replace(one, verdicts=(before.verdicts if before else ()) + one.verdicts)
    for subject in together.values():
        for number, cause in enumerate(subject.causes):
            if number == 0:
                yield f"{subject.name}   read as: {subject.reading}" if subject.reading else subject.name
            yield ""
            yield from (line.text for line in cause_lines(subject, cause, width))
