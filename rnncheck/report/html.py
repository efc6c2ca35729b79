"""The report as one HTML page: nothing is fetched, and nothing that a subject says can act on it."""

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from rnncheck.core.case import DTYPES
from rnncheck.core.verdict import Verdict
from rnncheck.report import plots
from rnncheck.report.causes import Cause
from rnncheck.report.gate_histogram import distribution
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.terminal import MARKS, summary, used_text
from rnncheck.report.text import clean, failure_text

TONES = {0: "holds", 1: "fails", 3: "not_reached"}
LONGEST = 6_000
"""Characters of one message, case or script; beyond that the page names what it leaves out."""
ALL_TEXTS = 250_000
"""Characters of all messages, cases and scripts together: the page stays far below one megabyte."""
LONGEST_NAME = 300
"""Characters of a subject's name in a heading."""


class _Texts:
    """Hands out texts until all of them together are too long for the page."""

    def __init__(self) -> None:
        self.left = ALL_TEXTS

    def clip(self, text: str, where: str) -> str:
        text = clean(text)
        kept = text[: min(LONGEST, self.left)]
        self.left = max(0, self.left - len(escape(kept)))
        return kept if len(kept) == len(text) else f"{kept}\n… {len(text) - len(kept)} more characters: see {where}"


def html(report: Results) -> str:
    """Return one self-contained page: verdicts at a glance, filters, each cause with its failures, plots, the coverage."""
    environment = Environment(
        loader=PackageLoader("rnncheck.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    texts = _Texts()
    counts: Counter[str] = Counter(verdict.verdict for _, verdict in report.verdicts())
    meaning = clean(summary(report).plain)
    page = environment.get_template("report.html.jinja")
    return page.render(
        report=report,
        nonce=secrets.token_hex(8),
        meaning=[_short(line, 600) for line in meaning.splitlines()],
        headline=_short(meaning.splitlines()[-1], LONGEST_NAME),
        tone=TONES[report.exit_code],
        marks=MARKS,
        counts=[(status, counts[status]) for status in MARKS if counts[status]],
        families=sorted({verdict.property.partition(".")[0] for _, verdict in report.verdicts()}),
        environment=_environment(report),
        overview=plots.overview(report),
        statements={clean(verdict.property): clean(verdict.statement) for _, verdict in report.verdicts()},
        subjects=[_subject(subject, texts) for subject in report.subjects],
    )


def _environment(report: Results) -> str:
    told = {name: report.environment.get(name) for name in ("rnncheck", "torch", "python", "platform", "cuda")}
    return clean(", ".join(f"{name} {value}" for name, value in told.items() if value))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _subject(subject: SubjectReport, texts: _Texts) -> dict[str, Any]:
    covered = subject.coverage
    dtypes = _dtypes(subject.verdicts)
    rows = {verdict.property: _row(subject.name, verdict, dtypes, texts) for verdict in _leads_first(subject)}
    return {
        "name": _short(clean(subject.name), LONGEST_NAME),
        "reading": _short(clean(subject.reading or ""), LONGEST_NAME),
        "extent": subject.extent,
        "seconds": subject.seconds,
        "coverage": covered,
        "covered": f"{100 * covered.covered / max(1, covered.combinations):.1f}",
        "map": plots.coverage(covered.pairs),
        "gates": plots.histograms(distribution(subject.shown)),
        "shown": len(subject.shown),
        "counts": [(status, number) for status in MARKS if (number := subject.count()[status])],
        "dtypes": dtypes,
        "rows": [rows[verdict.property] for verdict in subject.verdicts],
        "causes": [_card(cause, rows, texts) for cause in subject.causes],
    }


def _leads_first(subject: SubjectReport) -> list[Verdict]:
    """Return the verdicts in the order in which their texts are to find room: the leading ones of each cause first."""
    leads = [cause.lead for cause in subject.causes]
    return [*leads, *(verdict for verdict in subject.verdicts if verdict not in leads)]


def _card(cause: Cause, rows: Mapping[str, dict[str, Any]], texts: _Texts) -> dict[str, Any]:
    """Return one cause, as the page shows it: its headline, its calls, the row that leads, and those that follow."""
    return {
        "headline": _short(clean(" ".join(cause.headline.split())), LONGEST_NAME),
        "explained": clean(cause.explained or ""),
        "calls": texts.clip(cause.calls or "", "the JSON report"),
        "lead": rows[cause.lead.property],
        "also": [rows[verdict.property] for verdict in cause.also],
        "ids": " ".join(clean(verdict.property) for verdict in cause.verdicts),
    }


def _dtypes(verdicts: Sequence[Verdict]) -> list[str]:
    """Those in which anything was measured, the widest first."""
    measured = {dtype for verdict in verdicts for dtype in verdict.by_dtype or {}}
    return [dtype for dtype in (*DTYPES, "mixed") if dtype in measured]


def _row(subject: str, verdict: Verdict, dtypes: Sequence[str], texts: _Texts) -> dict[str, Any]:
    """One verdict, as the page shows it; message, case, script and course are there for what is red."""
    message = texts.clip(failure_text(subject, verdict), "the JSON report") if verdict.red else ""
    reason = "" if verdict.red else (verdict.reason or "")
    return {
        "id": clean(verdict.property),
        "verdict": verdict.verdict,
        "cases": verdict.cases,
        "used": used_text(verdict),
        "by_dtype": [_share(verdict, dtype) for dtype in dtypes],
        "says": _short(clean((reason.splitlines() or [""])[0]), LONGEST_NAME),
        "message": message,
        "gist": _gist(verdict) if verdict.red else "",
        "course": plots.course(verdict.course) if verdict.red and texts.left else None,
        "case": texts.clip(_case(verdict), verdict.stored or "the JSON report") if verdict.red else "",
        "script": texts.clip(_text(verdict.repro), verdict.repro or "") if verdict.red else "",
        "test": texts.clip(_text(verdict.regression_test), verdict.regression_test or "") if verdict.red else "",
    }


def _share(verdict: Verdict, dtype: str) -> dict[str, Any]:
    used = (verdict.by_dtype or {}).get(dtype)
    if used is None:
        return {"text": "", "width": 0, "over": False}
    return {"text": used_text(verdict.but(budget_used=used)), "width": round(100 * min(1.0, used)), "over": used > 1.0}


def _gist(verdict: Verdict) -> str:
    """The first line of what is wrong."""
    lines = (verdict.mismatch or verdict.reason or verdict.statement).splitlines() or [""]
    return _short(clean(lines[0]), 160)


def _case(verdict: Verdict) -> str:
    return "" if verdict.case is None else json.dumps(verdict.case.to_json(), default=str)


def _text(path: str | None) -> str:
    """The text of a standalone script or test, where there is one that can be read."""
    if path is None or not (file := Path(path)).is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")
