"""The report as JUnit XML: a suite a subject, a test case a property; what is not green is failed, an error, or skipped."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rnncheck.core.verdict import Verdict
from rnncheck.report.model import Results, SubjectReport
from rnncheck.report.text import clean, failure_text


def junit(report: Results) -> str:
    """An XML document that CI servers read."""
    root = Element("testsuites", name="rnncheck")
    for subject in report.subjects:
        count = subject.count()
        errors = count["errored"] + count["crashed"] + count["hung"]
        skipped = len(subject.verdicts) - count["holds"] - count["fails"] - errors
        suite = SubElement(
            root,
            "testsuite",
            name=clean(subject.name),
            tests=str(len(subject.verdicts)),
            failures=str(count["fails"]),
            errors=str(errors),
            skipped=str(skipped),
            time=f"{subject.seconds:.3f}",
        )
        for verdict in subject.verdicts:
            _test_case(suite, subject, verdict)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _test_case(suite: Element, subject: SubjectReport, verdict: Verdict) -> None:
    case = SubElement(suite, "testcase", classname=clean(subject.name), name=verdict.property)
    if verdict.verdict == "holds":
        return
    if not verdict.red:
        SubElement(case, "skipped", message=clean(f"{verdict.verdict}: {verdict.reason or ''}"))
        return
    kind = "failure" if verdict.verdict == "fails" else "error"
    lead = next((cause.lead for cause in subject.causes if verdict in cause.also), None)
    follows = f"follows from {lead.property}: " if lead else ""
    message = follows + (verdict.mismatch or verdict.reason or "").split("\n")[0]
    SubElement(case, kind, type=verdict.verdict, message=clean(message)).text = clean(failure_text(subject.name, verdict))
