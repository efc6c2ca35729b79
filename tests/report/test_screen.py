"""The report on one screen: what it says, how long it is, and where its lines break."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from rnncheck.core.features import FEATURES
from rnncheck.core.verdict import NO_CASE
from rnncheck.report import Report
from rnncheck.report.terminal import print_report
from rnncheck.report.text import MOST_LINES
from rnncheck.report.unchecked import unchecked
from tests.report.built import everything, failing, report, verdict

IGNORED = "agrees with torch.nn.GRU if the initial state is ignored"
CALLS = "layer = MyGRU(1, 1)\noutput, h_n = layer(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))\noutput[0, 0, 0]  # 0, expected 0.5"


def shown(of: Report, width: int = 100, **options) -> list[str]:
    file = StringIO()
    print_report(of, Console(file=file, width=width), **options)
    return file.getvalue().splitlines()


def ignores_states() -> Report:
    led = failing("state.used", location=None, needs=(), calls=CALLS)
    others = [failing(f"time.p{n}", diagnosis=IGNORED, needs=()) for n in range(18)]
    of_one = report(led, *others, *(verdict(property=f"batch.p{n}") for n in range(61)), name="mine.py:MyGRU")
    return replace(of_one, subjects=(replace(of_one.subjects[0], reading="GRU layer, (time, batch, features), state h"),))


@pytest.mark.parametrize("number", [1, 2])
def test_what_no_verdict_speaks_of_is_said_where_it_passes(number):
    subject = replace(report().subjects[0], not_looked_at=("argument gain, given as 0", "go_backwards other than False"))
    lines = shown(replace(report(), subjects=(subject,) * number), 100)
    place = next(i for i, line in enumerate(lines) if line.startswith("PASS"))
    told = (
        "NOT LOOKED AT   argument gain, given as 0; go_backwards"
        if number == 1
        else "       not looked at: argument gain, given as 0, go"
    )
    assert any(line.startswith(told) for line in lines[place + 1 : place + 3])


@pytest.mark.parametrize(("left", "helps"), [("argument state", True), ("argument gain, given as 0", False)])
def test_an_argument_that_is_not_read_is_to_be_annotated(left, helps):
    subject = replace(report().subjects[0], not_looked_at=(left,))
    assert ("annotate forward with jaxtyping" in " ".join(shown(replace(report(), subjects=(subject,)), 200))) == helps


def test_an_agreement_that_was_not_checked_is_what_the_verdict_begins_with():
    why = "agreement of mine.py:MyLSTM with torch.nn.LSTM was asked for and could not be checked: write this"
    of_one = report()
    lines = shown(replace(of_one, subjects=(replace(of_one.subjects[0], not_compared=why),), stopped=why), 100)
    assert lines[1].startswith("INCOMPLETE   agreement of mine.py:MyLSTM") and not any("PASS" in line for line in lines)
    assert " ".join(lines).count("was asked for") == 1


def test_one_cause_is_told_once_within_a_small_terminal():
    lines = shown(ignores_states(), 80)
    assert len(lines) <= 22 and all(len(line) <= 80 for line in lines)
    assert lines[0] == "mine.py:MyGRU   read as: GRU layer, (time, batch, features), state h"
    assert lines[2] == "FAIL   the initial state is ignored"
    assert [f"  {line}" for line in CALLS.splitlines()] == lines[5:8]
    assert any(line.startswith("  also failing  18 properties: time.p0, ") for line in lines)
    assert "  again         rnncheck replay .rnncheck/failing/a.json" in lines
    assert lines[-1] == "1 cause: 19 properties fail, 61 hold, 0 not checked (--verbose). 9 cases, 1.2 s"


def test_nine_green_subjects_fit_into_forty_lines():
    families = "shape reject state gate time direction layer batch layout lengths weights gradient graph agree mode life numeric"
    ids = [f"{family}.p{n}" for family in families.split() for n in range(6)]
    green = [verdict(property=id) for id in ids]
    known = [verdict("deviates", f"gradient.q{n}", reason="known") for n in range(8)]
    one = report(*green, *known, verdict("not_reached", "agree.device", reason="no such device", elsewhere=True)).subjects[0]
    several = [replace(one, name=f"torch.nn.Layer{n}", reading="GRU layer, (time, batch, features), state h") for n in range(9)]
    lines = shown(replace(report(), subjects=tuple(several)), 100)
    assert len(lines) <= 40 and all(len(line) <= 100 for line in lines)
    assert sum("8 known deviations: --verbose" in line for line in lines) == 9
    assert lines[-1] == "PASS   918 properties hold on 81 cases; 72 known deviations."


def test_lines_break_at_words_whatever_the_width():
    long = report(failing(mismatch="output: " + "element " * 60, diagnosis=None))
    words = {word for line in shown(long, 300) for word in line.split()}
    assert {word for line in shown(long, 80) for word in line.split()} == words
    assert all(len(line) <= 80 for line in shown(long, 80))


def test_what_is_not_checked_is_grouped_by_what_to_do():
    load = f"{FEATURES['load']}: its parameters (a, b) cannot be matched one to one with torch's (weight_ih_l0, weight_hh_l0)"
    refused = f"{FEATURES['refusals']}: an input of 6 features instead of 4 is RuntimeError: mat1 and mat2"
    groups = unchecked([
        *(verdict("not_claimed", f"agree.p{n}", reason=load) for n in range(4)),
        *(verdict("not_claimed", f"reject.p{n}", reason=refused) for n in range(2)),
        verdict("not_claimed", "layer.stack", reason=f"{FEATURES['layers']}: the constructor takes no num_layers"),
        verdict("not_claimed", "direction.reversal", reason=f"{FEATURES['bidirectional']}: it takes no bidirectional"),
        verdict("not_reached", "time.split", reason=NO_CASE),
        verdict("not_applicable", "lengths.full", reason="applies to: packed input"),
        verdict(),
    ])  # fmt: skip
    assert [(len(group.properties), group.reason) for group in groups] == [
        (1, "the run ended before a case that they apply to (time.split): give it more, with --budget or --max-examples"),
        (4, "all comparisons with the equations (agree.p0, agree.p1, agree.p2, ...): cannot map a, b to weight_ih_l0, "
            "weight_hh_l0. Name the parameters as torch does to have them checked"),
        (2, "error messages for wrong input: the layer does not validate its input "
            '(6 features instead of 4: "RuntimeError: mat1 and mat2")'),
        (2, "what it does not offer: num_layers, bidirectional"),
        (1, "about another kind of layer or case (lengths.full)"),
    ]  # fmt: skip


def test_nothing_that_is_incomplete_says_pass():
    lines = shown(report(verdict(), verdict("not_reached", "time.split", reason=NO_CASE)))
    assert lines[1].startswith("INCOMPLETE   1 property was not reached. 1 holds so far")
    assert not any("PASS" in line for line in lines)


def test_a_first_look_that_had_no_time_for_a_property_is_no_reason_to_fail_a_run():
    reasons = (NO_CASE, "agree.onnx had run for 3.1 s when the time was up")
    late = [verdict("not_reached", "time.split", reason=reason) for reason in reasons]
    other = verdict("not_reached", "time.reach", reason="given up after 3 crashes or hangs")
    held = (verdict(),)
    assert replace(report(*held, *late), profile="quick").exit_code == 0
    assert replace(report(*held, *late), profile="ci").exit_code == 3
    assert replace(report(*held, *late, *late), profile="quick").exit_code == 3  # that saw less than a quarter
    assert replace(report(verdict(), other), profile="quick").exit_code == 3
    assert replace(report(*late), profile="quick").exit_code == 3


def test_a_stale_deviation_fails_the_run_and_is_the_last_thing_said():
    lines = shown(report(verdict(), stale=("time.split: the declared deviation no longer occurs",)))
    assert lines[-1].startswith("FAIL   1 stale deviation") and "no longer occurs" in lines[-3]


def test_many_stored_cases_that_hold_now_are_one_line():
    mended = tuple(f"a/{n}.json: schema = None; set aside" for n in range(1000)) + ("a: 99 files are not read",)
    found = [line for line in shown(report(verdict(), mended=mended), 300) if line.startswith(("a", "("))]
    assert found[-2:] == [f"({1001 - MOST_LINES} more lines like these: --json has them all)", "a: 99 files are not read"]
    assert len(found) == MOST_LINES + 1
    mended = tuple(f"time.p{n} on mine.py:MyLSTM: the stored case holds now" for n in range(18))
    found = [line for line in shown(report(verdict(), mended=mended), 300) if "hold now" in line]
    assert len(found) == 1 and found[0].startswith("18 stored failing cases hold now: time.p0, ")


def test_more_causes_than_fit_are_told_by_their_headline():
    reds = [failing(f"time.p{n}", diagnosis=f"agrees with torch.nn.GRU if bug {n} is there") for n in range(9)]
    lines = shown(report(*reds))
    assert [line for line in lines if line.startswith("FAIL")] == [f"FAIL   bug {n} is there" for n in range(9)]
    assert sum(line.startswith("  found by") for line in lines) == 4


def test_verbose_lists_every_verdict_and_every_failure():
    text = "\n".join(shown(ignores_states(), 120, verbose=True))
    assert all(f"time.p{n} does not hold for mine.py:MyGRU" in text for n in range(18)) and "✓  batch.p0" in text


def test_print_of_a_report_is_what_the_terminal_shows(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert str(ignores_states()).splitlines() == shown(ignores_states(), 100)
    assert repr(ignores_states()) == "<Report on mine.py:MyGRU: exit code 1, 19 failures>"


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_steers_the_terminal(verbose):
    text = "\n".join(shown(everything(), verbose=verbose))
    assert "\x1b" not in text and "\x00" not in text
