"""Subjects that replace the functions with which they are judged: their own code sees what they put there, the judge does not."""

import builtins
import math
import time

import pytest
import torch
from torch import Tensor, nn

import rnncheck
import rnncheck.campaign.verify  # noqa: F401  # what is ours is as much as is loaded
from rnncheck.adapters.torch_layers import torch_like
from rnncheck.backend.own_functions import kept, subject_code


class NoState(nn.GRU):
    """Ignores hx."""

    def forward(self, input, hx=None):
        return super().forward(input)


def always(value):
    return lambda *arguments, **options: value


REPLACED = {
    "Tensor.abs": lambda: setattr(Tensor, "abs", lambda self: torch.zeros_like(self)),
    "Tensor.__le__": lambda: setattr(Tensor, "__le__", lambda self, other: torch.ones_like(self, dtype=torch.bool)),
    "Tensor.__sub__": lambda: setattr(Tensor, "__sub__", lambda self, other: torch.zeros_like(self)),
    "Tensor.amax": lambda: setattr(Tensor, "amax", lambda self, *a, **k: torch.zeros(())),
    "torch.isfinite": lambda: setattr(torch, "isfinite", lambda x: torch.ones_like(x, dtype=torch.bool)),
    "torch.equal": lambda: setattr(torch, "equal", always(True)),
    "builtins.all": lambda: setattr(builtins, "all", always(True)),
    "math.isnan": lambda: setattr(math, "isnan", always(False)),
    "time.monotonic": lambda: setattr(time, "monotonic", always(0.0)),
}


@pytest.fixture(autouse=True)
def as_before():
    """Whatever a test replaces is put back."""
    with kept() as ours:
        yield ours
        ours.leave()
        ours.theirs = []


@pytest.mark.parametrize("name", REPLACED)
def test_ours_is_put_back_and_theirs_is_there_while_they_run(name):
    with kept() as ours:
        before = torch.tensor([-1.0]).abs()
        with subject_code():
            REPLACED[name]()
        assert name.removeprefix("Tensor") in [one.removeprefix("torch.Tensor") for one in ours.replaced()]
        assert torch.tensor([-1.0]).abs() == before == 1
        assert not all([False]) and time.monotonic() > 0 and math.isnan(math.nan)
        with subject_code():
            assert "Tensor.abs" != name or torch.tensor([-1.0]).abs() == 0


def test_what_an_import_replaces_is_known_after_it_has_called_us():
    with kept() as ours:
        with subject_code():
            REPLACED["Tensor.abs"]()
            with subject_code():  # the file that is imported has a layer judged
                pass
            REPLACED["math.isnan"]()
        assert ours.replaced() == ["torch.Tensor.abs", "math.isnan"]
        assert torch.tensor([-1.0]).abs() == 1 and math.isnan(math.nan)


def test_what_torch_wraps_itself_is_not_the_subjects(as_before):
    before = torch.manual_seed
    with subject_code():
        torch.manual_seed = torch._disable_dynamo(before)  # as torch.compile does when it is first used
    assert as_before.replaced() == [] and torch.manual_seed is not before
    torch.manual_seed = before


def test_what_is_added_or_was_never_ours_is_left_alone(as_before):
    with subject_code():
        torch.of_a_library = Tensor.of_a_library = always(1)
        before, torch.compile = torch.compile, always(1)
    try:
        assert torch.of_a_library() == 1 and "torch.of_a_library" not in as_before.replaced()
    finally:
        del torch.of_a_library, Tensor.of_a_library
        torch.compile = before


FOUND = """
import torch
from rnncheck.adapters.torch_layers import torch_like
from torch import Tensor

{}


class MyGRU(torch.nn.GRU):
    def forward(self, input, hx=None):
        {}
        return super().forward(input)


subject = torch_like(MyGRU, ("GRU",), "MyGRU")
"""
PATCHES = {
    "abs": "Tensor.abs = lambda self: torch.zeros_like(self)",
    "le": "Tensor.__le__ = Tensor.__lt__ = lambda self, other: torch.ones_like(self, dtype=torch.bool)",
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
@pytest.mark.parametrize("when", ["imported", "called"])
def test_a_subject_that_drops_hx_is_found_all_the_same(tmp_path, patch, when):
    code = FOUND.format(patch, "pass") if when == "imported" else FOUND.format("", patch)
    (tmp_path / "mine.py").write_text(code)
    report = rnncheck.verify(f"{tmp_path}/mine.py:subject", properties="time.split", max_examples=12, jobs=1, budget="60s")
    (verdict,) = report.subjects[0].verdicts
    assert verdict.verdict == "fails" and report.exit_code == 1, verdict
    assert torch.tensor([-1.0]).abs() == 1
    assert ("torch.Tensor." in report.environment.get("replaced", "")) == (when == "imported"), report.environment
    assert ("NOTE   replaced on import: torch.Tensor." in str(report)) == (when == "imported"), str(report)


class Lies(Tensor):
    """A tensor of which everything is true."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function in (Tensor.abs, Tensor.sub, Tensor.__sub__, Tensor.double):
            return torch.zeros(arguments[0].as_subclass(Tensor).shape, dtype=torch.float64)
        return super().__torch_function__(function, types, arguments, options or {})


class LyingTensors(NoState):
    def forward(self, input, hx=None):
        output, h_n = super().forward(input)
        return output.as_subclass(Lies) if isinstance(output, Tensor) else output, h_n.as_subclass(Lies)


class LyingObjects(NoState):
    def forward(self, input, hx=None):
        output, h_n = super().forward(input)
        h_n.double = h_n.sub = h_n.abs = lambda *_: torch.zeros(h_n.shape, dtype=torch.float64)
        return output, h_n


@pytest.mark.parametrize("layer", [LyingTensors, LyingObjects])
def test_results_are_compared_by_torchs_methods(layer):
    subject = torch_like(layer, ("GRU",), "lies")
    report = rnncheck.verify(subject, properties="time.split", max_examples=12, jobs=1, budget="60s", engine="inline")
    assert report.subjects[0].verdicts[0].verdict == "fails"
