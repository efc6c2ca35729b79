"""The report as SARIF 2.1.0 (OASIS): a rule a property, a result a failure."""

from typing import Any
from urllib.parse import quote

from rnncheck.core.verdict import Verdict
from rnncheck.report.causes import Cause
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.text import clean, failure_text

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    "fails": "error",
    "errored": "error",
    "crashed": "error",
    "hung": "error",
    "deviates": "note",
    "warns": "warning",
    "not_reached": "warning",
}


def sarif(report: Results) -> dict[str, Any]:
    """A SARIF log with one run; what holds or does not apply is no result."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    causes = {(s.name, v.property): cause for s in report.subjects for cause in s.causes for v in cause.verdicts}
    for subject, verdict in report.verdicts():
        if verdict.verdict in LEVELS:
            rules[verdict.property] = {"id": verdict.property, "shortDescription": {"text": verdict.statement}}
            results.append(_result(subject, verdict, causes.get((subject.name, verdict.property))))
    driver = {
        "name": "rnncheck",
        "version": str(report.environment.get("rnncheck") or "0"),
        "informationUri": "https://pypi.org/project/rnncheck/",
        "rules": list(rules.values()),
    }
    finished = {"executionSuccessful": report.exit_code in (0, 1), "exitCode": report.exit_code}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "invocations": [finished], "results": results}],
    }


def _result(subject: SubjectReport, verdict: Verdict, cause: Cause | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": verdict.property,
        "level": LEVELS[verdict.verdict],
        "message": {"text": clean(failure_text(subject.name, verdict))},
        "partialFingerprints": {"rnncheck/v1": clean(f"{subject.name}/{verdict.property}")},
    }
    if cause is not None:
        result["properties"] = {"cause": clean(cause.headline), "leads": cause.lead is verdict}
    file = quote(clean(subject.name.partition(":")[0]))
    if file.endswith(".py"):
        result["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": 1}}}]
    else:
        result["locations"] = [{"logicalLocations": [{"fullyQualifiedName": clean(subject.name)}]}]
    return result
