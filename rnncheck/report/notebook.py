"""The report as a notebook shows it: the last line, each cause with its calls, and every verdict in a table that unfolds."""

from jinja2 import Environment, StrictUndefined

from rnncheck.report.model import Results
from rnncheck.report.terminal import MARKS, QUIET, summary, used_text
from rnncheck.report.text import clean

TEMPLATE = """
<div style="font-family: sans-serif">
<p><strong>{{ meaning }}</strong></p>
{% for subject in report.subjects %}
<p><code>{{ clean(subject.name) }}</code>{% if subject.reading %} read as: {{ clean(subject.reading) }}{% endif %},
{{ subject.extent }}</p>
{% for cause in subject.causes %}
<p>&#x2717; <strong>{{ clean(cause.headline) }}</strong><br>{{ cause.lead.property }}: {{ cause.lead.statement }}</p>
{% if cause.calls %}<pre>{{ clean(cause.calls) }}</pre>{% endif %}
{% endfor %}
<details><summary>{{ subject.verdicts | length }} properties</summary><table>
<tr><th></th><th>property</th><th>verdict</th><th>cases</th><th>error/allowed</th></tr>
{% for verdict in subject.verdicts if verdict.verdict not in quiet %}
<tr><td>{{ marks[verdict.verdict][0] }}</td><td title="{{ verdict.statement }}">{{ verdict.property }}</td>
<td>{{ verdict.verdict.replace('_', ' ') }}</td><td>{{ verdict.cases or '' }}</td><td>{{ used(verdict) }}</td></tr>
{% endfor %}
</table></details>
{% endfor %}
</div>
"""


def notebook(report: Results) -> str:
    """Return a piece of HTML without scripts; nothing that a subject says can act in it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    meaning = clean(summary(report).plain).splitlines()[-1]
    return environment.from_string(TEMPLATE.strip()).render(
        report=report, meaning=meaning, clean=clean, marks=MARKS, quiet=QUIET, used=used_text
    )
