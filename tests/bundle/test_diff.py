"""What a difference is, and what it is not: mutants are red, other correct implementations are green."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from rnncheck import UsageError
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.bundle import Bundle, diff, read
from rnncheck.bundle.content import Recorded
from rnncheck.bundle.record import one_layer, record, recording
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from tests.bundle.support import COUNT, cases_of, mutant, recorded, torchs, verdicts
from tests.catalog.support import subject_of
from tests.effort import some
from tests.mutants.controls.correct import CORRECT

DATA = Path(__file__).parent / "data"


@cache
def lstm():
    """What torch's LSTM does on some cases; recorded once in a process, and not where this file is only collected."""
    return recorded(torchs())


MODES = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "RNN_TANH"}
IDS = ["bundle.truth", "bundle.results", "bundle.gradients"]


def statuses(report):
    return [verdict.verdict for _, verdict in report.verdicts()]


def inline(bundle, other, **options):
    return diff(bundle, other, engine="inline", **options)


@pytest.mark.parametrize("name", some(MODES, 3))
def test_the_recorded_bundle_of_torchs_layers(name):
    """tests/bundle/data was recorded once with torch 2.13 on an x86 CPU; torch here, and our own layers, agree with it."""
    bundle = read(DATA / f"{name}.safetensors")
    for other in (f"torch.nn.{name}", f"rnncheck.nn.{name}"):
        report = inline(bundle, one_layer(other))
        assert [v.property for _, v in report.verdicts()] == IDS
        assert statuses(report) == ["holds"] * 3, [v.mismatch for _, v in report.verdicts()]
        assert report.exit_code == 0


def test_onednn_on_and_off():
    off = recorded(torchs(), switches=("onednn_off",))
    report = inline(lstm(), off)
    assert statuses(report) == ["holds"] * 4
    assert verdicts(report)["bundle.results"].budget_used < 1  # more than 0 where oneDNN rounds otherwise, with AVX-512
    assert statuses(inline(lstm(), torchs(), switches=("onednn_off",))) == ["holds"] * 3


@pytest.mark.parametrize("name", ["lstm", "lstm-by-hand"])
def test_a_correct_variant(name):
    assert statuses(inline(lstm(), subject_of(CORRECT[name]))) == ["holds"] * 3


class InDouble(torch.nn.LSTM):
    """torch's LSTM that computes in float64 and rounds what it returns."""

    def forward(self, x, hx=None):
        def double(value):
            return value.double() if isinstance(value, torch.Tensor) else value.to(torch.float64)

        inner = torch.nn.LSTM(self.input_size, self.hidden_size, self.num_layers, self.bias, self.batch_first,
                              bidirectional=self.bidirectional, proj_size=self.proj_size)  # fmt: skip
        own = {name: p.double() for name, p in self.named_parameters()}
        y, states = torch.func.functional_call(inner, own, (double(x), hx and tuple(map(double, hx))))
        dtype = self.weight_ih_l0.dtype
        return y.to(dtype), tuple(state.to(dtype) for state in states)


def test_a_layer_that_computes_in_float64():
    report = inline(lstm(), torch_like(InDouble, ("LSTM",), "InDouble"))
    assert statuses(report) == ["holds"] * 3
    assert verdicts(report)["bundle.results"].budget_used > 0


def test_a_mutants_bundle_is_red():
    """It is said that the recorded side is the wrong one."""
    report = inline(recorded(mutant("gates-i-f-swapped")), torchs())
    assert statuses(report) == ["fails"] * 3
    found = verdicts(report)
    assert "time" in found["bundle.truth"].location
    assert "agrees with torch.nn.LSTM if" in found["bundle.truth"].diagnosis
    assert found["bundle.results"].location.startswith("in what was recorded: ")
    assert report.exit_code == 1


def test_a_mutant_against_torchs_bundle_is_red():
    report = inline(lstm(), mutant("gates-i-f-swapped"))
    found = verdicts(report)
    assert [found[id].verdict for id in IDS] == ["holds", "fails", "fails"]
    assert found["bundle.results"].location.startswith(("time", "final"))
    assert "again: rnncheck diff --case " in found["bundle.results"].reason


def test_gradients_alone():
    report = inline(lstm(), mutant("weight-grad-uses-ht"))
    assert statuses(report) == ["holds", "holds", "fails"]


def test_two_bundles_one_of_a_mutant():
    report = inline(lstm(), recorded(mutant("gates-i-f-swapped")))
    assert statuses(report) == ["holds", "fails", "fails", "fails"]


def test_both_wrong_alike_is_not_green():
    wrong = mutant("gates-i-f-swapped")
    assert statuses(inline(recorded(wrong), wrong)) == ["fails", "holds", "holds"]


def test_tf32_is_allowed_where_it_was_recorded_with():
    """What a float32 layer may not be off by, one may that was recorded with TF32 on."""
    case = Case(Config("GRU", 5, 6), 4, 3, hx="random")
    plain = recording(torchs("GRU"), "cpu", 0, [case])
    one = plain.recorded[0]
    off = replace(one.run, output=one.run.output * (1 + 2**-13))
    for switches, status in (((), "fails"), (("tf32",), "holds")):
        other = Recorded(case.but(device="cuda", switches=switches), off)
        bundle = replace(plain, recorded=(other,), environment={**plain.environment, "device": "cuda"})
        assert statuses(inline(bundle, torchs("GRU"))) == [status, status, "not_applicable"]


def test_a_case_that_raised_when_it_was_recorded_is_red():
    class Raises(torch.nn.GRU):
        def forward(self, x, hx=None):
            if self.num_layers == 2:
                raise RuntimeError("no two\nlayers")
            return super().forward(x, hx)

    subject = torch_like(Raises, ("GRU",), "Raises")
    bundle = recorded(subject)
    assert {one.error for one in bundle.recorded} == {None, "RuntimeError while calling: no two layers"}
    report = inline(bundle, torchs("GRU"))
    assert statuses(report) == ["errored", "holds", "holds"]
    assert "when it was recorded: RuntimeError" in verdicts(report)["bundle.truth"].reason


def test_one_case_alone():
    report = inline(lstm(), torchs(), only=3)
    assert [subject.cases for subject in report.subjects] == [1, 1]
    with pytest.raises(UsageError, match=f"case = {COUNT}, but should be one of 0 to {COUNT - 1}"):
        inline(lstm(), torchs(), only=COUNT)


def test_what_is_not_claimed_is_said():
    subject = replace(torchs(), claims={**torchs().claims, "packed": Claim(False, "declared")})
    report = inline(lstm(), subject)
    assert report.exit_code == 0
    assert "cases are not claimed: PackedSequence" in verdicts(report)["bundle.results"].reason


def test_nothing_in_common():
    with pytest.raises(UsageError, match="torch.nn.GRU: nothing to compare with torch.nn.LSTM recorded on cpu .*: mode LSTM"):
        inline(lstm(), torchs("GRU"))
    with pytest.raises(UsageError, match="have no case in common"):
        inline(lstm(), recorded(torchs("GRU")))


def test_cases_in_one_bundle_only_are_not_reached():
    short = Bundle(lstm().subject, lstm().modes, 0, lstm().environment, lstm().recorded[:5])
    report = inline(lstm(), short)
    assert statuses(report) == ["holds", "holds", "not_reached", "not_reached"]
    assert report.exit_code == 3
    assert inline(short, lstm()).exit_code == 0


def test_a_subject_that_crashes_is_told():
    import ctypes

    class Dies(torch.nn.LSTM):
        def forward(self, x, hx=None):
            if self.num_layers == 3:
                ctypes.string_at(0)
            return super().forward(x, hx)

    subject = torch_like(Dies, ("LSTM",), "Dies")
    report = diff(lstm(), subject, engine="processes", jobs=1)
    assert verdicts(report)["bundle.results"].verdict == "crashed"
    assert report.exit_code == 1


def test_what_cannot_be_recorded():
    with pytest.raises(UsageError, match="is a clip function"):
        record(torch.nn.utils.clip_grad_norm_)
    with pytest.raises(UsageError, match="device = 'all', but should be one"):
        record(torch.nn.GRU, device="all")


def test_an_instance_keeps_its_dropout():
    bundle = record(torch.nn.GRU(3, 4, 2, dropout=0.5), max_examples=8)
    assert all(one.case.config.dropout == 0.5 and not one.case.training for one in bundle.recorded)


def test_recording_leaves_flags_and_random_state_alone():
    before = torch.get_rng_state(), torch.backends.mkldnn.enabled, torch.is_grad_enabled()
    recorded(torchs(), 4, switches=("onednn_off",))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.backends.mkldnn.enabled, torch.is_grad_enabled())
    assert cases_of(torchs(), 1, ("onednn_off",))[0].switches == ("onednn_off",)
