"""The report as one HTML page: nothing is fetched, and nothing that a subject says can act on it."""

import json
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rnncheck.report.model import Report, SubjectReport
from rnncheck.report.terminal import MARKS, summary, used_text
from rnncheck.report.text import clean, failure_text
from rnncheck.verdict import Verdict

TONES = {0: "holds", 1: "fails", 3: "not_reached"}
LONGEST = 6_000
"""Characters of one message, case or script; beyond that the page names what it leaves out."""
ALL_TEXTS = 400_000
"""Characters of all messages, cases and scripts together: the page stays far below one megabyte."""


class _Texts:
    """Hands out texts until all of them together are too long for the page."""

    def __init__(self) -> None:
        self.left = ALL_TEXTS

    def clip(self, text: str, where: str) -> str:
        text = clean(text)
        kept = text[: min(LONGEST, self.left)]
        self.left -= len(kept)
        return kept if len(kept) == len(text) else f"{kept}\n… {len(text) - len(kept)} more characters: see {where}"


def html(report: Report) -> str:
    """One self-contained page: verdicts at a glance, filters, each failure with its case and script, the coverage."""
    environment = Environment(loader=PackageLoader("rnncheck.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    texts = _Texts()
    counts: Counter[str] = Counter(verdict.verdict for _, verdict in report.verdicts())
    meaning = clean(summary(report).plain)
    page = environment.get_template("report.html.jinja")
    return page.render(
        report=report,
        nonce=secrets.token_hex(8),
        meaning=meaning,
        headline=meaning.splitlines()[-1],
        tone=TONES[report.exit_code],
        marks=MARKS,
        counts=[(status, counts[status]) for status in MARKS if counts[status]],
        families=sorted({verdict.property.partition(".")[0] for _, verdict in report.verdicts()}),
        environment=_environment(report),
        subjects=[_subject(subject, texts) for subject in report.subjects],
    )


def _environment(report: Report) -> str:
    told = {name: report.environment.get(name) for name in ("rnncheck", "torch", "python", "platform", "cuda")}
    return clean(", ".join(f"{name} {value}" for name, value in told.items() if value))


def _subject(subject: SubjectReport, texts: _Texts) -> dict[str, Any]:
    covered = subject.coverage
    return {
        "name": clean(subject.name),
        "cases": subject.cases,
        "seconds": subject.seconds,
        "coverage": covered,
        "covered": f"{100 * covered.covered / max(1, covered.combinations):.1f}",
        "rows": [_row(subject.name, verdict, texts) for verdict in subject.verdicts],
    }


def _row(subject: str, verdict: Verdict, texts: _Texts) -> dict[str, Any]:
    """One verdict, as the page shows it; message, case and script are there for what is red."""
    used = verdict.budget_used or 0.0
    message = texts.clip(failure_text(subject, verdict), "the JSON report") if verdict.red else ""
    reason = "" if verdict.red else (verdict.reason or "")
    says = clean((reason.splitlines() or [verdict.statement])[0])[:300]
    return {
        "id": clean(verdict.property),
        "family": clean(verdict.property.partition(".")[0]),
        "verdict": verdict.verdict,
        "cases": verdict.cases,
        "used": used_text(verdict),
        "over": used > 1.0,
        "width": f"{100 * min(1.0, used):.1f}",
        "statement": clean(verdict.statement),
        "says": says,
        "searched": clean(f"{verdict.property} {subject} {says} {message[:500]}"),
        "message": message,
        "case": texts.clip(_case(verdict), verdict.stored or "the JSON report") if verdict.red else "",
        "script": texts.clip(_script(verdict), verdict.repro or "") if verdict.red else "",
    }


def _case(verdict: Verdict) -> str:
    return "" if verdict.case is None else json.dumps(verdict.case.to_json(), indent=1, default=str)


def _script(verdict: Verdict) -> str:
    """The standalone script, where there is one that can be read."""
    if verdict.repro is None or not (file := Path(verdict.repro)).is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")
