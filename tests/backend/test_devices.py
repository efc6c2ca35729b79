"""One contract, every device: what is asked for, the backends' switches as axes, what CUDA is known not to do."""

from collections import Counter
from dataclasses import replace
from functools import cache
from io import StringIO
from itertools import islice

import pytest
import torch
from rich.console import Console
from torch import nn

import rnncheck
from rnncheck import Deviation, UsageError
from rnncheck.adapters.targets.known_deviations import KNOWN
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.backend.devices import asked_for, found, is_here
from rnncheck.backend.switches import OFFERED, as_python, offered, settings, switched
from rnncheck.campaign.tally import too_large
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import equal
from rnncheck.core.property import Property, anywhere
from rnncheck.core.verdict import Outcome
from rnncheck.judging.judge import judge, out_of_claim
from rnncheck.older_torch import FP32_PRECISION
from rnncheck.report.terminal import print_report, summary
from rnncheck.report.words import count, seconds_text
from rnncheck.repro.script import script
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan
from rnncheck.strategies.structure import rows
from tests.backend.as_cudnn import as_cudnn
from tests.catalog.support import TORCH, killed, planned, subject_of
from tests.effort import some
from tests.mutants import MUTANTS

CASE = Case(Config("GRU", 3, 4), 4, 2)
ABSENT = "xpu:7"


# which devices --------------------------------------------------------------------------------------------------------


def test_the_cpu_is_always_there_and_only_once():
    assert found()[0] == "cpu"
    assert is_here("cpu")
    assert not is_here("cpu:1")
    assert not is_here(ABSENT)
    assert asked_for("all") == found()


@pytest.mark.parametrize("words", ["gpu", "cuda:x", "cpu,", "", "cuda:1:2"])
def test_no_such_kind_of_device(words):
    with pytest.raises(UsageError, match="but should be all, or one of cpu, cuda, mps, xpu"):
        asked_for(words)


TIME = ",".join(id for id in CATALOG if id.startswith("time.") and id != "time.in_pieces")
"""The properties of the family that torch.nn.GRU claims."""


def test_a_device_that_is_absent_is_not_reached():
    report = rnncheck.verify(nn.GRU, properties=TIME, device=ABSENT, engine="inline", max_examples=4)
    assert {verdict.verdict for _, verdict in report.verdicts()} == {"not_reached"}
    assert {verdict.reason for _, verdict in report.verdicts()} == {f"there is no device {ABSENT} here"}
    assert report.exit_code == 3


@pytest.mark.parametrize(
    ("properties", "why"),
    [("clip.bound", "nothing was checked: none of the chosen properties is claimed and applies here"),
     ("agree.device", "1 property was not reached")],
)  # fmt: skip
@pytest.mark.skipif(torch.accelerator.is_available(), reason="agree.device is reached here")
def test_where_nothing_is_checked_nothing_is_green(properties, why):
    report = rnncheck.verify(nn.GRU, properties=properties, engine="inline", max_examples=4)
    assert not report.checked and report.exit_code == 3
    seconds = f", {seconds_text(report.seconds)}"
    on = count(report.subjects[0].cases, "case")
    assert summary(report).plain == f"INCOMPLETE   {why}. 0 properties hold so far, on {on}{seconds}."


def test_a_device_that_is_absent_is_told_once():
    report = rnncheck.verify(nn.GRU, properties=TIME, device=ABSENT, engine="inline", max_examples=4)
    page = StringIO()
    print_report(report, Console(file=page, width=100))
    assert page.getvalue().count("there is no device") == 1
    many = len(TIME.split(","))
    assert f"{many}  there is no device xpu:7 here (time.split, time.split_packed, time.step_by_step, ...)" in page.getvalue()


@pytest.mark.parametrize(("require", "code"), [((), 0), (("cpu",), 0), ((ABSENT,), 3), (("cpu", ABSENT), 3)])
def test_a_required_device_that_is_absent_is_incomplete(require, code):
    options = {"properties": "shape.output", "engine": "inline", "max_examples": 4}
    report = rnncheck.verify(nn.GRU, require=require, **options)
    assert report.exit_code == code


# switches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OFFERED)
def test_every_switch_is_an_axis_of_the_cases(kind):
    seen = {row["switches"] for row in rows(TORCH["LSTM"], ("float32",), 2, f"{kind}:1" if kind == "cuda" else kind)}
    assert seen == {(), *((switch,) for switch in OFFERED[kind])}


def test_a_device_without_switches_has_no_such_axis():
    assert {row["switches"] for row in rows(TORCH["GRU"], ("float32",), 2, "mps")} == {()}


def test_cases_are_planned_with_and_without_onednn():
    seen = Counter(case.switches for case in islice(plan(TORCH["LSTM"], ("float32",), 2, 0), 60))
    assert set(seen) == {(), ("onednn_off",)}
    assert min(seen.values()) >= sum(seen.values()) / 6  # some of every few cases


def sees(**expected):
    """A property that holds where torch.backends is like this."""

    def check(trial):
        backends = {"mkldnn": torch.backends.mkldnn.enabled, "cudnn": torch.backends.cudnn.enabled}
        return equal("backends", {name: backends[name] for name in expected}, expected)

    return Property("own.sees", "", "", "", "invariant", anywhere, check)


@pytest.mark.parametrize("outside", [True, False])
def test_a_case_is_judged_under_its_own_switches_and_no_others(outside):
    with torch.backends.mkldnn.flags(enabled=outside):
        for switches, expected in (((), True), (("onednn_off",), False)):
            trial = Trial(TORCH["GRU"], CASE.but(switches=switches))
            assert judge(sees(mkldnn=expected), trial).status == "holds"
        assert torch.backends.mkldnn.enabled is outside


def test_what_is_wrong_with_onednn_off_only_is_found_by_any_property():
    case, _ = killed(CATALOG["agree.forward"], subject_of(MUTANTS["own-onednn-off-path"]))
    assert case.switches == ("onednn_off",)


def test_a_script_sets_the_switches():
    def written(bug, case):
        subject = replace(subject_of(MUTANTS[bug]), source="build = ...")
        with switched(case.switches):
            return script(subject, CATALOG["agree.forward"], case, Outcome("agree.forward", "fails"))

    off = CASE.but(switches=("onednn_off",))
    assert "\ntorch.backends.mkldnn.enabled = False\n" in written("own-onednn-off-path", off)
    assert "torch.backends" not in written("gates-i-f-swapped", CASE.but(mode="LSTM"))


@pytest.mark.parametrize("switches", [(), ("tf32",), ("cudnn_off", "onednn_off"), ("cudnn_benchmark", "cudnn_deterministic")])
def test_switches_are_set_and_put_back(switches):
    """The flags of CUDA are there without it."""

    def now():
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        newer = (cudnn.rnn.fp32_precision, cudnn.conv.fp32_precision, matmul.fp32_precision) if FP32_PRECISION else ()
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32, *newer

    before = now()
    with switched(switches, "cuda:0"):
        tf32, precision = "tf32" in switches, "tf32" if "tf32" in switches else "ieee"
        flags = "cudnn_off" not in switches, "cudnn_benchmark" in switches, "cudnn_deterministic" in switches
        assert now() == (*flags, tf32, tf32, *[precision] * 3 * FP32_PRECISION)
        torch.export.export(nn.GRU(2, 3), (torch.zeros(2, 1, 2),))
    assert now() == before


@pytest.mark.skipif(not FP32_PRECISION, reason="before torch 2.9 there is one flag only")
def test_flags_that_contradict_each_other_are_no_obstacle():
    rnn = torch.backends.cudnn.rnn
    before, rnn.fp32_precision = rnn.fp32_precision, "ieee"
    try:
        with pytest.raises(RuntimeError):
            print(torch.backends.cudnn.allow_tf32)
        with switched((), "cuda"):
            assert torch.backends.cudnn.allow_tf32 is False
        assert rnn.fp32_precision == "ieee"
    finally:
        rnn.fp32_precision = before
        torch.backends.cudnn.allow_tf32 = True


def test_every_switch_changes_a_setting():
    for switch in {switch for switches in OFFERED.values() for switch in switches}:
        kinds = [kind for kind in OFFERED if switch in offered(kind)]
        assert all(settings([switch], kind) != settings((), kind) for kind in kinds)
        assert all(as_python([switch], kind) != as_python((), kind) for kind in kinds)


# deviations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "device", "switches", "covered"),
    [
        ({"device": "cuda"}, "cuda", (), True),
        ({"device": "cuda"}, "cuda:1", (), True),
        ({"device": "cuda:0"}, "cuda:1", (), False),
        ({"device": "cuda"}, "cpu", (), False),
        ({"switches": {"without": "cudnn_off"}}, "cuda", (), True),
        ({"switches": {"without": "cudnn_off"}}, "cuda", ("tf32",), True),
        ({"switches": {"without": "cudnn_off"}}, "cuda", ("cudnn_off",), False),
        ({"lengths": {"below": 3}}, "cpu", (), False),
    ],
)
def test_a_deviation_of_a_device(where, device, switches, covered):
    case = CASE.but(device=device, switches=switches, lengths=(4, 4))
    assert Deviation("agree.forward", "a reason", where).covers(case) is covered


def declared(of, property):
    return [known.deviation for known in KNOWN if known.of is of and known.deviation.property == property]


@pytest.mark.parametrize(("of", "mode"), some([(nn.LSTM, "LSTM"), (nn.GRU, "GRU"), (nn.RNN, "RNN_TANH")]))
def test_what_cudnn_does_not_do_is_declared_for_cuda_and_nothing_more(of, mode):
    """A stand-in for cuDNN is red where, and only where, it is declared; each declaration is needed."""
    subject = torch_like(as_cudnn(of), (mode,), "as cuDNN", without=("vmap", "script", "export", "onnx", "compile"))
    trial_of = cache(lambda case: Trial(subject, case.but(switches=())))  # its run and its truth serve all properties
    unneeded = {known.deviation.property for known in KNOWN if known.of is of and known.deviation.case["device"] == "cuda"}
    for prop in (prop for prop in CATALOG.values() if prop.family in ("weights", "gradient", "graph", "agree", "batch", "layout")):
        fitting = (case for case in planned(subject) if not too_large(prop, case))
        cases = (case for case in fitting if out_of_claim(prop, subject, case) is None)
        for case in islice(cases, 5):
            outcome = judge(prop, trial_of(case))
            on_cuda = case.but(device="cuda", switches=())
            if outcome.red:
                assert any(deviation.covers(on_cuda) for deviation in declared(of, prop.id)), (prop.id, case, outcome)
                assert "cudnn" in outcome.reason.lower(), outcome
                unneeded.discard(prop.id)
            without = on_cuda.but(switches=("cudnn_off",))
            assert not any(d.covers(without) for d in declared(of, prop.id) if d.case["device"] == "cuda")
    not_claimed = {id for id, prop in CATALOG.items() if subject.lacks(prop.needs)}  # autocast, on some processors
    assert unneeded <= {"agree.compiled", "numeric.many_steps"} | not_claimed  # not tried here: dear


def test_a_deviation_of_another_device_is_not_replayed():
    """The stored cases of CUDA would be said to hold no longer, or to be out of reach, on a machine without it."""
    report = rnncheck.verify(nn.GRU, properties="gradient.eval_is_train", engine="inline", max_examples=12)
    assert [verdict.verdict for _, verdict in report.verdicts()] == ["holds"]
    assert not report.stale
    assert report.exit_code == 0


# CUDA's own traps, as far as a CPU can show them ----------------------------------------------------------------------


class OutOfMemory(nn.GRU):
    """No memory for three layers."""

    def forward(self, input, hx=None):
        if self.num_layers == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ...")
        return super().forward(input, hx)


def test_out_of_memory_is_said_and_the_campaign_goes_on():
    subject = torch_like(OutOfMemory, ("GRU",), "OutOfMemory")
    trial = Trial(subject, CASE.but(num_layers=3))
    outcome = judge(CATALOG["agree.forward"], trial)
    assert outcome.status == "not_reached"
    assert outcome.reason == (
        "the device ran out of memory: OutOfMemoryError while calling: CUDA out of memory. Tried to allocate 20.00 GiB."
    )
    assert judge(CATALOG["agree.forward"], Trial(subject, CASE)).status == "holds"
    report = rnncheck.verify(subject, properties="agree.forward,time.split", engine="inline", max_examples=90)
    for _, verdict in report.verdicts():
        assert (verdict.verdict, verdict.cases > 5) == ("holds", True)
        assert verdict.reason.startswith("the device ran out of memory")


def test_what_no_case_has_memory_for_is_incomplete():
    class Never(nn.GRU):
        def forward(self, input, hx=None):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    report = rnncheck.verify(torch_like(Never, ("GRU",), "Never"), properties="time.split", engine="inline", max_examples=8)
    assert [verdict.verdict for _, verdict in report.verdicts()] == ["not_reached"]
    assert report.exit_code == 3


def test_no_memory_for_what_is_ours_is_no_mistake():
    def check(trial):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    outcome = judge(Property("own.heavy", "", "", "", "invariant", anywhere, check), Trial(TORCH["GRU"], CASE))
    assert (outcome.status, outcome.reason) == ("not_reached", "the device ran out of memory: CUDA out of memory.")


def test_another_error_that_speaks_of_memory_is_the_subjects():
    class Wrong(nn.GRU):
        def forward(self, input, hx=None):
            raise RuntimeError("CUDA out of memory, says the subject")

    assert judge(CATALOG["agree.forward"], Trial(torch_like(Wrong, ("GRU",), "Wrong"), CASE)).status == "errored"


class ColdStart(nn.GRU):
    """The first call uses what the warm-up has not yet filled."""

    warm = False

    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        cold, self.warm = not self.warm, True
        return output, state * (1.001 if cold else 1.0)


def test_a_first_call_that_is_wrong_is_found():
    subject = torch_like(ColdStart, ("GRU",), "ColdStart", without=("script",))
    assert killed(CATALOG["mode.repeatable"], subject, 5)[1].status == "fails"
    assert killed(CATALOG["agree.forward"], subject, 5)[1].status == "fails"
