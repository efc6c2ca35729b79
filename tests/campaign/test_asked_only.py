"""What takes a probe long is asked of a subject only where a chosen property needs it."""

import pytest

import rnncheck
from rnncheck.adapters.probing import feature_calls
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import DEAR, asked_only, probe_all
from rnncheck.catalog import CATALOG, select
from rnncheck.core.verdict import TOO_DEAR
from tests.strangers.one_matrix import CatLSTM


@pytest.fixture
def asked(monkeypatch):
    """The dear features that a probe asks for; a call of each raises."""
    names = set()

    def refuse(name):
        names.add(name)
        raise ValueError(name)

    for name in DEAR:
        monkeypatch.setitem(feature_calls.CALLS, name, lambda start, name=name: refuse(name))
    return names


@pytest.mark.parametrize(
    ("properties", "needed"),
    [
        ("shape.output,time.*", set()),
        ("agree.onnx", {"export"}),
        ("shape.meta,agree.scripted", {"meta", "script"}),
        ("agree.autocast", {"autocast", "autocast_half"}),
        ("gradient.forward_mode", {"jvp"}),
        ("*", {*DEAR}),
    ],
)
def test_only_what_a_chosen_property_needs_is_probed(properties, needed, asked):
    (subject,) = probe_all(asked_only(subjects(CatLSTM), select(properties)), "inline")
    assert asked == needed
    assert {name for name in DEAR if subject.claims[name].why == "no chosen property needs it"} == {*DEAR} - needed


def test_what_is_declared_stays():
    class Declares(CatLSTM):
        rnncheck_claims = {"export": True}

    (subject,) = asked_only(subjects(Declares), [CATALOG["shape.output"]])
    assert subject.claims["export"].offered


def test_a_report_says_why_it_was_not_asked(asked):
    (judged,) = rnncheck.verify(CatLSTM, properties="shape.output", max_examples=1, engine="inline").subjects
    assert not asked and judged.claims["export"].why == "no chosen property needs it"


def test_a_first_look_leaves_what_takes_long_and_says_so(asked):
    report = rnncheck.verify(CatLSTM, profile="smoke", max_examples=1, engine="inline")
    (judged,) = report.subjects
    assert not asked and {judged.claims[name].why for name in DEAR} == {TOO_DEAR}
    assert "take too long for a first look" in str(report) and "--profile ci has them" in str(report)


def test_a_first_look_at_chosen_properties_leaves_none_of_them(asked):
    rnncheck.verify(CatLSTM, properties="shape.meta", profile="smoke", max_examples=1, engine="inline")
    assert asked == {"meta"}
