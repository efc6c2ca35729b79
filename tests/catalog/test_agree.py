"""agree.*: what each property catches, and what it lets through."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rnncheck.backend.switches import switched
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.autocast import drawn_autocast
from rnncheck.catalog.tools.onnx_functions import WHERE, read_once
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.test_probe import claimed
from tests.catalog.support import TORCH, complaints, killed, outcomes, planned, subject_of
from tests.effort import only_nightly, some
from tests.mutants import EXTRA, MUTANTS
from tests.mutants.controls.correct import CORRECT

KILLS = {
    "agree.forward": "gates-i-f-swapped",
    "agree.against": "gates-i-f-swapped",
    "agree.dtype": "own-float16-overflows",
    "agree.autocast": "own-autocast-state-in-float8",
    "agree.device": "gates-i-f-swapped",
    "agree.no_grad": "own-no-grad-path",
    "agree.functional": "own-parameters-listed-once",
    "agree.vmap": "vmap-missing",
    "agree.compiled": "compiled-backward",
    "agree.exported": "own-compiled-without-hidden-bias",
    "agree.scripted": "own-scripted-states-flipped",
}
KILLS_OF_FORMS = {"agree.forms": "form-without-state"}
"""In tests/recurrences/test_forms.py."""
MORE = [
    ("agree.forward", "reset-before-vs-after"),
    ("agree.dtype", "own-tanh-from-exponentials"),
    ("agree.no_grad", "own-onednn-off-path"),
    ("agree.functional", "own-functional-call-bias"),
]
TRANSFORMED = ("agree.compiled", "agree.exported", "agree.scripted")


def mutant_subject(mutant):
    """The mutant, with torch's own layer as its reference."""
    subject = subject_of(MUTANTS.get(mutant) or EXTRA[mutant])
    return replace(subject, reference=TORCH[subject.modes[0]])


@pytest.fixture
def second_device(monkeypatch):
    """The CPU, as if it were an accelerator."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cpu"))


@pytest.mark.parametrize(("prop", "mutant"), some([*KILLS.items(), *MORE], 3))
def test_a_mutant_is_killed(prop, mutant, request):
    if prop == "agree.device":
        request.getfixturevalue("second_device")
    case, outcome = killed(CATALOG[prop], mutant_subject(mutant), 8 if prop in TRANSFORMED else 120)
    assert outcome.status == ("errored" if mutant == "vmap-missing" else "fails"), case


@pytest.mark.usefixtures("second_device")
@pytest.mark.parametrize("mode", MODES)
def test_torch_is_clean_on_a_device(mode):
    assert complaints(CATALOG["agree.device"], TORCH[mode], 8) == []


@pytest.mark.parametrize("mode", some(MODES, 2))
def test_torch_scripted_is_clean(mode):
    assert complaints(CATALOG["agree.scripted"], TORCH[mode], 4) == []


@only_nightly  # properties/ looks at them by day
@pytest.mark.parametrize("mode", ["LSTM", "RNN_RELU"])
@pytest.mark.parametrize("prop", TRANSFORMED)
def test_torch_transformed_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 2) == []


@only_nightly  # properties/ looks at rnncheck.nn's layers by day
@pytest.mark.skipif(torch.__version__ < (2, 12), reason="torch before 2.12 does not compile pad_packed_sequence")
def test_a_correct_variant_is_clean_compiled_exported_and_mapped():
    subject = subject_of(CORRECT["rnn"])
    for prop, count in (("agree.compiled", 1), ("agree.exported", 2), ("agree.vmap", 8)):
        assert [outcome.status for _, outcome in outcomes(CATALOG[prop], subject, count)] == ["holds"] * count


def test_a_right_layer_with_flat_states_is_clean_mapped():
    """States (batch, hidden) of as many rows as there are: the axis of the rows is their first."""
    subject = claimed(ElmanLike)
    assert subject.flat_states
    assert [outcome.status for _, outcome in outcomes(CATALOG["agree.vmap"], subject, 4)] == ["holds"] * 4


class ElmanLike(nn.Module):
    """A leaky recurrence whose state is (batch, hidden)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner, self.hidden_size = nn.Linear(input_size + hidden_size, hidden_size), hidden_size

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.hidden_size) if h is None else h, []
        for step in x:
            h = 0.7 * h + 0.3 * torch.tanh(self.inner(torch.cat([step, h], -1)))
            outputs.append(h)
        return torch.stack(outputs), h


@pytest.mark.parametrize("mode", MODES)
def test_torch_agrees_with_itself_as_reference(mode):
    subject = replace(TORCH[mode], reference=TORCH[mode])
    assert [outcome.status for _, outcome in outcomes(CATALOG["agree.against"], subject, 8)] == ["holds"] * 8


def test_a_wrong_reference_is_told():
    subject = replace(TORCH["LSTM"], reference=subject_of(MUTANTS["gates-i-f-swapped"]))
    _, outcome = killed(CATALOG["agree.against"], subject)
    assert any("itself" in line for line in outcome.mismatches)


def test_without_a_reference_there_is_nothing_to_compare():
    case = next(case for case in planned(TORCH["GRU"]) if CATALOG["agree.against"].applies(case))
    assert judge(CATALOG["agree.against"], Trial(TORCH["GRU"], case)).status == "not_applicable"


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_a_missing_device_is_not_reached():
    case = next(case for case in planned(TORCH["GRU"]) if CATALOG["agree.device"].applies(case))
    outcome = judge(CATALOG["agree.device"], Trial(TORCH["GRU"], case))
    assert (outcome.status, outcome.reason) == ("not_reached", "there is no accelerator in this machine")


def test_without_onnx_runtime_it_is_not_reached(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    case = next(case for case in planned(TORCH["GRU"]) if CATALOG["agree.onnx"].applies(case))
    outcome = judge(CATALOG["agree.onnx"], Trial(TORCH["GRU"], case))
    assert (outcome.status, outcome.reason) == ("not_reached", "onnxruntime is not installed")


KILLS_WITH_ONNX = {"agree.onnx": "own-compiled-without-hidden-bias"}


@only_nightly
def test_onnx():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    assert complaints(CATALOG["agree.onnx"], TORCH["GRU"], 2) == []  # an LSTM with a projection is a known deviation
    _, outcome = killed(CATALOG["agree.onnx"], subject_of(MUTANTS[KILLS_WITH_ONNX["agree.onnx"]]), 4)
    assert outcome.status == "fails"


def test_switches_are_put_back():
    before = torch.backends.mkldnn.enabled
    with switched(["onednn_off"]):
        assert not torch.backends.mkldnn.enabled
    assert torch.backends.mkldnn.enabled == before


@pytest.mark.parametrize(("own", "half", "drawn"), [
    (torch.bfloat16, False, {torch.bfloat16}), (torch.bfloat16, True, {torch.bfloat16, torch.float16}),
    (torch.float16, False, {torch.bfloat16, torch.float16}),
])  # fmt: skip
def test_autocast_is_to_the_devices_own_dtype_whatever_else_is_claimed(own, half, drawn):
    """CUDA's own is float16, the CPU's bfloat16."""
    claims = {**TORCH["GRU"].claims, "autocast_half": Claim(half, "declared")}
    subject = replace(TORCH["GRU"], claims=claims)
    before = torch.get_autocast_dtype("cpu")
    torch.set_autocast_dtype("cpu", own)
    try:
        cases = (Case(Config(subject.modes[0], 2, 3), time=1, batch=1, seed=seed) for seed in range(12))
        assert {drawn_autocast(Trial(subject, case)).fast_dtype for case in cases} == drawn
    finally:
        torch.set_autocast_dtype("cpu", before)


def test_the_functions_of_onnx_are_read_once_and_the_exporter_keeps_its_own(monkeypatch):
    pytest.importorskip("onnxscript")
    registry = pytest.importorskip(WHERE).ONNXRegistry
    read = []
    monkeypatch.setattr(
        registry, "from_torchlib", classmethod(lambda kind, opset_version=0: read.append(opset_version) or object())
    )
    own = registry.from_torchlib
    for _ in range(2):
        with read_once():
            first, again, other = (registry.from_torchlib(opset_version=version) for version in (18, 18, 20))
            assert first is again and first is not other
    assert read == [18, 20]
    assert registry.from_torchlib == own
