"""Every rendering of a report: it can be read by what reads it, counts right, and nothing that a subject says acts on it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from io import StringIO
from xml.etree import ElementTree

import jsonschema
import pytest
import torch
from rich.console import Console

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import near
from rnncheck.report import Failed, plots
from rnncheck.report.badge import badge
from rnncheck.report.gate_histogram import distribution
from rnncheck.report.html import html
from rnncheck.report.junit import junit
from rnncheck.report.markdown import markdown
from rnncheck.report.sarif import sarif
from rnncheck.report.terminal import print_report
from rnncheck.strategies.structure import Ledger
from tests.effort import only_nightly
from tests.report.built import CASE, HOSTILE, everything, failing, report, verdict

SCHEMA = json.loads(files("rnncheck.report").joinpath("schema.json").read_text())
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF = {
    "type": "object", "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"}, "$schema": {"type": "string", "format": "uri"},
        "runs": {"type": "array", "items": {
            "type": "object", "required": ["tool", "results"],
            "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object", "required": ["name"], "properties": {
                        "name": {"type": "string"}, "version": {"type": "string"},
                        "rules": {"type": "array", "uniqueItems": True, "items": {
                            "type": "object", "required": ["id"],
                            "properties": {"id": {"type": "string"}, "shortDescription": TEXT}}}}}}},
                "invocations": {"type": "array", "items": {
                    "type": "object", "required": ["executionSuccessful"],
                    "properties": {"executionSuccessful": {"type": "boolean"}, "exitCode": {"type": "integer"}}}},
                "results": {"type": "array", "items": {
                    "type": "object", "required": ["message"], "properties": {
                        "message": TEXT, "ruleId": {"type": "string"},
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                        "locations": {"type": "array", "items": {"type": "object", "properties": {
                            "physicalLocation": {"type": "object", "required": ["artifactLocation"]},
                            "logicalLocations": {"type": "array", "items": {"type": "object"}}}}}}}}}}}},
}  # fmt: skip
"""The parts of the SARIF 2.1.0 schema (OASIS) that a log with one tool and plain results uses."""


def dumped(value) -> object:
    return json.loads(json.dumps(value))


def test_json_is_as_its_schema_says():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(dumped(everything().to_json())))


@pytest.mark.parametrize("lacking", ["schema", "stopped", "stale_deviations", "subjects"])
def test_the_json_schema_misses_what_is_absent(lacking):
    data = dumped(everything().to_json())
    del data[lacking]
    with pytest.raises(jsonschema.ValidationError, match=lacking):
        jsonschema.validate(data, SCHEMA)


def test_json_of_an_infinite_excess_is_json():
    data = json.dumps(report(failing(budget_used=float("inf"))).to_json(), allow_nan=False)
    assert not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(json.loads(data)))


def test_junit_counts():
    suite = ElementTree.fromstring(junit(everything()).split("\n", 1)[1])[0]
    counted = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": 9, "failures": 1, "errors": 3, "skipped": 4}
    children = [child.tag for case in suite for child in case]
    assert {tag: children.count(tag) for tag in set(children)} == {"failure": 1, "error": 3, "skipped": 4}


def test_markdown_tables_keep_their_columns():
    rows = [line for line in markdown(everything()).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 7
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_markdown_escapes_a_hostile_name_outside_of_code():
    text = markdown(everything())
    prose = re.sub(r"^```text\n.*?\n```$", "", text, flags=re.S | re.M)
    assert "<script" not in prose
    assert text.count("```") == 2 * len(everything().subjects[0].causes)


def test_sarif_is_sarif():
    log = dumped(sarif(everything()))
    jsonschema.validate(log, SARIF)
    levels = [result["level"] for result in log["runs"][0]["results"]]
    assert (levels.count("error"), levels.count("warning"), levels.count("note")) == (4, 1, 1)
    known = {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert known == {result["ruleId"] for result in log["runs"][0]["results"]}


@pytest.mark.parametrize(
    "verdicts, fields, last",
    [
        ([verdict()], {}, "Each verdict: --verbose"),
        ([failing(), verdict(property="a.b")], {}, "1 cause: 1 property fails, 1 holds, 0 not checked (--verbose). 9 cases, 1.2 s"),
        ([verdict("not_reached")], {}, "Each verdict: --verbose"),
        ([verdict()], {"missing": ("cuda",)}, "INCOMPLETE   no such device: cuda. 1 property holds so far, on 9 cases."),
    ],
)  # fmt: skip
def test_the_terminals_last_line_says_what_it_means(verdicts, fields, last):
    shown = StringIO()
    print_report(report(*verdicts, **fields), Console(file=shown, width=300))
    assert shown.getvalue().splitlines()[-1] == last


def test_cases_that_there_was_no_time_for_are_told():
    of_one = report(verdict())
    told = replace(of_one, subjects=(replace(of_one.subjects[0], left=291),))
    shown = StringIO()
    print_report(told, Console(file=shown, width=300))
    assert "291 of 300 planned cases not run: time ran out." in shown.getvalue()
    in_full = "9 cases (291 more were planned: there was no time for them)"
    assert in_full in markdown(told) and in_full in html(told)
    assert "PASS   1 property holds on 9 cases (291 more were planned)." in markdown(told)


def test_a_cause_is_one_card_one_section_and_one_message(tmp_path):
    of_one = report(*(failing(f"time.p{n}", diagnosis="agrees with torch.nn.GRU if it is so") for n in range(31)), verdict())
    assert html(of_one).count('<details class="failure"') == 1 and html(of_one).count('<details class="follows"') == 30
    assert markdown(of_one).count("```text") == 1 and markdown(of_one).count("### it is so") == 1
    assert [cause["property"] for cause in of_one.to_json()["subjects"][0]["causes"]] == ["time.p0"]
    with pytest.raises(Failed) as raised:
        of_one.raise_if_failed()
    assert str(raised.value).count("does not hold for") == 1 and "also failing: time.p1, time.p2" in str(raised.value)
    leading = [result["properties"]["leads"] for result in sarif(of_one)["runs"][0]["results"]]
    assert leading == [True] + 30 * [False] and "follows from time.p0" in junit(of_one)


def test_the_terminal_is_not_steered():
    shown = StringIO()
    print_report(everything(), Console(file=shown, width=200))
    assert "\x1b" not in shown.getvalue() and "\x00" not in shown.getvalue()


class Page(HTMLParser):
    """Start tags with their attributes, and the text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_html_refers_to_nothing_outside():
    page = html(everything())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    attributes = {(name, value) for _, attrs in Page(page).tags for name, value in attrs.items()}
    assert {value for name, value in attributes if name in ("src", "href")} == {"data:,"}


def test_html_takes_no_orders_from_a_subject():
    page = Page(html(everything()))
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert len(scripts) == 1 and scripts[0]["nonce"]
    assert "alert" not in {name for _, attrs in page.tags for name in attrs}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.words
    assert "\x1b" not in page.words and "\x00" not in page.words


def test_html_shows_message_case_and_script(tmp_path):
    script = tmp_path / "repro.py"
    script.write_text("import torch  # </pre><script>\n")
    page = Page(html(report(failing(repro=str(script)))))
    for text in ("12 of 24 elements differ", "first wrong: time 2", '"batch_first": true', "</pre><script>", "300 of 312"):
        assert text in page.words
    assert [tag for tag, _ in page.tags].count("script") == 1


def test_html_of_a_script_that_is_gone(tmp_path):
    assert "the script" not in Page(html(report(failing(repro=str(tmp_path / "gone.py"))))).words


@only_nightly
def test_html_stays_light():
    many = [failing(f"time.p{i}", mismatch="x" * 50_000) for i in range(300)]
    page = html(report(*many))
    assert len(page.encode()) < 1_000_000
    assert "more characters: see the JSON report" in page


def test_html_lists_families_and_verdicts_to_filter_by():
    page = Page(html(everything()))
    values = [attrs.get("value") for tag, attrs in page.tags if tag == "option"]
    assert {"holds", "fails", "crashed", "not_reached"} <= set(values)
    assert "gradient" in page.words and CASE.dtype in page.words


@pytest.mark.parametrize(
    "verdicts, fields, words",
    [
        ([verdict()], {}, "1 hold"),
        ([failing()], {}, "1 fail"),
        ([verdict()], {"stale": ("time.split: stale",)}, "stale deviations"),
        ([verdict("not_reached")], {}, "incomplete"),
    ],
)
def test_badge(verdicts, fields, words):
    image = ElementTree.fromstring(badge(report(*verdicts, name=HOSTILE, **fields)))
    assert image.get("aria-label") == f"rnncheck: {words}"
    assert ("#1a7f37" in badge(report(*verdicts, **fields))) == (words == "1 hold")


def test_what_is_allowed_and_what_is_off_over_time():
    allowed = torch.tensor([1e-6, 1e-6, 2e-6])[:, None, None]
    actual = torch.tensor([[[0.0, 0.0]], [[1e-7, 3e-6]], [[torch.nan, 0.0]]])
    seen = near("output", actual, torch.zeros(3, 1, 2), allowed.expand(3, 1, 2), ("time", "batch", "features"))
    first, second, third = seen.course()
    assert first == pytest.approx((0.0, 1e-6)) and second == pytest.approx((3e-6, 1e-6)) and third[0] == float("inf")
    assert (near("h_n", actual, actual, 0.0, ("layers*directions", "batch", "features"))).course() is None


def test_a_course_is_drawn_and_its_worst_point_is_never_left_out():
    steps = tuple((1e-9, 1e-6) for _ in range(999)) + ((float("inf"), 1e-6),)
    shape = plots.course(steps)
    over = [over for _, _, over in shape["dots"]]
    assert len(over) <= plots.STEPS and over.count(True) == 1 and over[-1]
    assert plots.course(((1.0, 0.5),)) is None and plots.course(((0.0, 0.0),) * 3) is None


def test_the_map_of_coverage_tells_all_from_some_and_none():
    a, b, c = ("bias", True), ("mode", "GRU"), ("mode", "LSTM")
    shape = plots.coverage({(a, b): (2, 2), (a, c): (0, 2)})
    assert set(shape["paths"]) == {"all", "none"}
    assert [name for name, _ in shape["names"]] == ["bias yes", "mode GRU", "mode LSTM"]


def test_pairs_of_the_ledger_add_up():
    ledger = Ledger.over([{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 4}], 3)
    ledger.covered = {(("a", 1), ("b", 2), ("c", 3))}
    assert ledger.pairs()[("a", 1), ("b", 2)] == (1, 2)
    assert ledger.pairs()[("a", 1), ("c", 4)] == (0, 1)


@pytest.mark.parametrize("mode, letters", [("LSTM", "ifog"), ("GRU", "rzn"), ("RNN_TANH", "h"), ("RNN_RELU", "")])
def test_the_gates_of_a_case_are_shares(mode, letters):
    case = Case(Config(mode, 2, 3, num_layers=2, bidirectional=True, batch_first=True), 4, 3, lengths=(2, 4, 1), hx="random")
    shares = distribution([case, case.but(time=0, lengths=None)])
    assert {letter for _, letter in shares} == set(letters)
    assert all(sum(values) == pytest.approx(1.0) for values in shares.values())


def test_a_page_of_many_subjects_stays_light():
    many = [verdict("holds", f"time.p{i}", reason=None) for i in range(106)]
    red = [failing(f"gate.p{i}", mismatch="x" * 5000) for i in range(20)]
    subjects = [replace(report(*many, *red).subjects[0], name=f"mine.py:Layer{i}") for i in range(9)]
    assert len(html(replace(report(), subjects=tuple(subjects))).encode()) < 850_000
