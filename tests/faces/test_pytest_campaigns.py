"""The campaign that pytest items of one subject share, and how the workers of pytest-xdist divide it."""

import pickle
import threading

import pytest
import torch
from torch import nn

import rnncheck
from rnncheck import Failed, UsageError
from rnncheck.core.deviation import Deviation
from rnncheck.core.verdict import Verdict
from rnncheck.faces import pytest_campaigns
from rnncheck.faces.pytest_campaigns import Campaigns, Question, only
from rnncheck.faces.pytest_items import Conformance
from rnncheck.report.model import Coverage, SubjectReport
from rnncheck.report.report import Report

IDS = ["shape.output", "shape.state", "time.split", "time.reach", "gradient.reference"]


def report_on(ids, **changes):
    """A report in which each of these properties holds."""
    verdicts = tuple(Verdict(id, "holds", "invariant", 1, None, "It holds.") for id in ids)
    subject = SubjectReport("Mine", {}, 1.0, 1, Coverage(2, 1, 1), verdicts)
    return Report(**{"environment": {}, "seed": 0, "profile": "ci", "subjects": (subject,), **changes})


@pytest.fixture
def runs(monkeypatch):
    """What each campaign was asked to do; none is really run."""
    seen = []

    def verify(target, **options):
        seen.append({"target": target, **options, "properties": options["properties"].split(",")})
        return report_on(seen[-1]["properties"])

    monkeypatch.setattr(pytest_campaigns, "verify", verify)
    return seen


def questions(target=nn.GRU, ids=IDS, **options):
    return [Question(target, id, options) for id in ids]


def told(report):
    return [verdict.property for _, verdict in report.verdicts()]


def test_each_is_told_of_its_own_property_alone(runs):
    asked = questions()
    campaigns = Campaigns(asked)
    assert [told(campaigns.report(question)) for question in asked] == [[id] for id in IDS]
    assert [sorted(run["properties"]) for run in runs] == [sorted(IDS)]


@pytest.mark.parametrize("other", [
    questions(nn.LSTM), questions(max_examples=3), questions(deviations=[Deviation("time.split", "known")]),
])  # fmt: skip
def test_other_targets_and_options_have_a_campaign_of_their_own(runs, other):
    asked = [*questions(), *other]
    campaigns = Campaigns(asked)
    for question in asked:
        campaigns.report(question)
    assert len(runs) == 2


def test_a_question_that_is_not_selected_is_answered_by_itself(runs):
    campaigns = Campaigns(questions(ids=IDS[:2]))
    assert told(campaigns.report(questions()[2])) == [IDS[2]]
    assert runs[0]["properties"] == [IDS[2]]


def test_a_budget_is_that_of_one_property(runs):
    Campaigns(questions(budget="3s")).report(questions(budget="3s")[0])
    Campaigns(questions(profile="smoke")).report(questions(profile="smoke")[0])
    Campaigns([]).report(questions(budget="3s")[0])
    assert [run["budget"] for run in runs] == [15, 60, 3]


def test_only_what_is_declared_of_these_properties_is_passed_on(runs):
    declared = [Deviation("time.split", "known"), Deviation("life.copied", "known")]
    Campaigns([]).report(Question(nn.GRU, "time.split", {"deviations": declared}))
    assert runs[0]["deviations"] == declared[:1]


DISTRIBUTIONS = {"load": [0, 1, 0, 1, 0], "loadfile": [0, 0, 0, 0, 0], "worksteal": [1, 0, 0, 1, 1], "each": [0, 1, 0, 1, 0] * 2}
"""The worker that each item comes to."""


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_workers_divide_a_campaign_and_leave_their_reports_for_each_other(runs, tmp_path, name):
    workers = [Campaigns(questions(), 2, tmp_path) for _ in range(2)]
    for worker, question in zip(DISTRIBUTIONS[name], questions() * 2, strict=False):
        assert told(workers[worker].report(question)) == [question.property]
    assert sorted(id for run in runs for id in run["properties"]) == sorted(IDS) and len(runs) == 2


def test_a_worker_runs_another_part_while_its_own_is_being_run(runs, tmp_path, monkeypatch):
    first, second = (Campaigns(questions(), 2, tmp_path) for _ in range(2))
    begun, go_on, the_quick = threading.Event(), threading.Event(), pytest_campaigns.verify

    def slow(target, **options):
        begun.set()
        assert go_on.wait(60)
        return the_quick(target, **options)

    monkeypatch.setattr(pytest_campaigns, "verify", slow)
    at_work = threading.Thread(target=first.report, args=[questions()[0]])
    at_work.start()
    assert begun.wait(60)

    def quick(target, **options):
        go_on.set()
        return the_quick(target, **options)

    monkeypatch.setattr(pytest_campaigns, "verify", quick)
    assert told(second.report(questions()[0])) == [IDS[0]]
    at_work.join()
    assert sorted(id for run in runs for id in run["properties"]) == sorted(IDS) and len(runs) == 2


def test_a_worker_that_was_killed_leaves_its_part_to_the_others(runs, tmp_path):
    campaigns = Campaigns(questions(), 2, tmp_path)
    part = pytest_campaigns._parts(IDS, 2)[0]
    (tmp_path / f"rnncheck-{pytest_campaigns._key(0, part)}.lock").touch()
    (tmp_path / f"rnncheck-{pytest_campaigns._key(0, part)}.part").write_bytes(b"half")
    assert told(campaigns.report(questions()[0])) == [IDS[0]]


def test_without_file_locks_each_worker_is_on_its_own(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(pytest_campaigns, "fcntl", None)
    workers = [Campaigns(questions(), 2, tmp_path) for _ in range(2)]
    for worker in workers:
        assert told(worker.report(questions()[0])) == [IDS[0]]
    assert len(runs) == 2 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_used_is_said_by_every_item(tmp_path, workers, monkeypatch):
    calls = []
    the_real = pytest_campaigns.verify
    monkeypatch.setattr(pytest_campaigns, "verify", lambda *told, **options: calls.append(1) or the_real(*told, **options))
    asked = questions("torch.nn.LSTN")
    campaigns = Campaigns(asked, workers, tmp_path if workers > 1 else None)
    for question in asked:
        with pytest.raises(UsageError, match="LSTN"):
            campaigns.report(question)
    assert len(calls) == workers


def test_an_interrupt_is_one(monkeypatch):
    monkeypatch.setattr(pytest_campaigns, "verify", lambda *told, **options: report_on(IDS, stopped="interrupted"))
    with pytest.raises(KeyboardInterrupt):
        Campaigns(questions()).report(questions()[0])


def test_a_stale_deviation_is_told_by_its_own_item():
    stale = ("time.split on Mine: the declared deviation no longer occurs", "time.reach on Mine: the deviation expired")
    report = report_on(IDS, stale=stale, mended=("file.json: not a case file; set aside",))
    assert only("time.split", report).stale == stale[:1]
    assert only("shape.output", report).exit_code == 0
    assert only("shape.output", report).mended == report.mended


def test_a_report_travels_between_workers():
    report = rnncheck.verify(nn.GRU, properties="shape.output", max_examples=2, engine="inline")
    assert pickle.loads(pickle.dumps(report)).to_json() == report.to_json()


class OwnNames(nn.Module):
    """A tanh network with one matrix for input and state, which has no counterpart in torch."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, input, hx=None):
        import torch

        h = input.new_zeros(input.shape[1], self.hidden_size) if hx is None else hx[0]
        outputs = []
        for x in input:
            h = torch.tanh(self.both(torch.cat([x, h], -1)))
            outputs.append(h)
        return torch.stack(outputs), h[None]


class OwnNamesRNN(OwnNames):
    """Named for its kind, with a parameter that torch's layer has no place for."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gain = nn.Parameter(torch.ones(hidden_size, hidden_size, 1))


def against(**options):
    common = {"against": nn.RNN, "max_examples": 3, "engine": "inline", **options}
    return Conformance(OwnNamesRNN, "agree.against", common)


def test_a_reference_that_cannot_be_compared_with_is_no_skip():
    with pytest.raises(Failed, match="agree.against could not be checked on .*OwnNamesRNN, but against = RNN asks for it") as told:
        against().check()
    assert "weight_ih_l0" in str(told.value) and "deviations={'agree.against': " in str(told.value)


def test_a_comparison_that_was_not_asked_for_or_is_declared_impossible_is_a_skip():
    for options in ({"against": None}, {"deviations": [Deviation("agree.against", "it has one matrix")]}):
        with pytest.raises(pytest.skip.Exception):
            against(**options).check()
