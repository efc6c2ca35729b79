"""The report as a badge: what it means in two words and a colour, as SVG."""

from html import escape

from rnncheck.report.model import Results

COLOURS = {0: "#1a7f37", 1: "#c62828", 3: "#9a6700"}
_BADGE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="rnncheck: {words}">
<title>rnncheck: {words}</title>
<rect width="{width}" height="20" rx="3" fill="#444c56"/>
<path d="M{left} 0h{inner}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3h-{inner}z" fill="{colour}"/>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{name_at}" y="14" textLength="54">rnncheck</text>
<text x="{words_at}" y="14" textLength="{length}">{words}</text>
</g>
</svg>
"""
LEFT = 66


def words(report: Results) -> str:
    """``61 hold``, ``2 fail`` or ``incomplete``: a badge is green only where the exit code is 0."""
    if report.exit_code == 1:
        return f"{len(report.failures)} fail" if report.failures else "stale deviations"
    if report.exit_code == 3:
        return "incomplete"
    return f"{sum(verdict.verdict == 'holds' for _, verdict in report.verdicts())} hold"


def badge(report: Results) -> str:
    """An SVG image, 20 pixels high, that refers to nothing outside it."""
    told = words(report)
    length = 7 * len(told)
    width = LEFT + length + 12
    return _BADGE.format(
        width=width,
        left=LEFT,
        inner=width - LEFT - 3,
        colour=COLOURS[report.exit_code],
        name_at=LEFT / 2,
        words_at=LEFT + (width - LEFT) / 2,
        length=length,
        words=escape(told),
    )
