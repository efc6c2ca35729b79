"""What a user reads: `verify` finds the layer's error on a small case, and the message says what it is."""

import pytest
import torch
from torch import Tensor

import rnncheck
from rnncheck.diagnosis.cell_variants import tf32
from tests.effort import some
from tests.mutants import MUTANTS
from tests.mutants.clean.base import GRU, LSTM
from tests.mutants.search import subject_of


def off(value: Tensor, error: float) -> Tensor:
    """Wrong by a relative error, where the dtype can hold it."""
    return value * (1 + error)


class ForgetGate(LSTM):
    def gates(self, x, h, w):
        i, f, g, o = super().gates(x, h, w)
        return i, off(f, 1e-5), g, o


class FineForgetGate(LSTM):
    def gates(self, x, h, w):
        i, f, g, o = super().gates(x, h, w)
        return i, (off(f, 1e-6) if f.dtype == torch.float32 else f), g, o


class RoughSigmoid(LSTM):
    def gates(self, x, h, w):
        i, f, g, o = super().gates(x, h, w)
        return i, f, g, o + (1e-5 * torch.sin(40 * o) if o.dtype == torch.float32 else 0)


class CellInBfloat16(LSTM):
    def new_c(self, i, f, g, c):
        exact = super().new_c(i, f, g, c)
        return exact.bfloat16().to(exact.dtype) if exact.dtype == torch.float32 else exact


class Tf32(LSTM):
    def from_input(self, x, w):
        return self.coarse(x, w.ih, w.b_ih) if x.dtype == torch.float32 else super().from_input(x, w)

    def from_hidden(self, h, w):
        return self.coarse(h, w.hh, w.b_hh) if h.dtype == torch.float32 else super().from_hidden(h, w)

    def coarse(self, x, w, b):
        product = tf32(x.detach().double()).float() @ tf32(w.detach().double()).float().T
        return product if b is None else product + b


class HalfSums(LSTM):
    def from_hidden(self, h, w):
        if h.dtype != torch.float32:
            return super().from_hidden(h, w)
        total = torch.zeros(len(h), len(w.hh), dtype=torch.float16)
        for k in range(h.shape[1]):
            total = (total.float() + h[:, k : k + 1] * w.hh[:, k]).half()
        return total.float() if w.b_hh is None else total.float() + w.b_hh


class Swapped(GRU):
    def blend(self, z, n, h):
        return z * n + (1 - z) * h


@pytest.mark.parametrize(
    ("layer", "words"),
    some(
        [
            (ForgetGate, "agrees with torch.nn.LSTM if gate f is multiplied by 1.00001"),
            (FineForgetGate, None),
            (RoughSigmoid, None),
            (CellInBfloat16, "agrees with torch.nn.LSTM if the cell state is kept in bfloat16"),
            (Tf32, "agrees with torch.nn.LSTM if the operands of products are rounded to TF32"),
            (HalfSums, "agrees with torch.nn.LSTM within the rounding of products accumulated in float16"),
            (Swapped, "agrees with torch.nn.GRU if z and 1 - z are exchanged"),
        ],
        2,
    ),
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_is_found_and_named(layer, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = rnncheck.verify(layer, properties="agree.forward", dtypes=["float32"], engine="inline", budget="60s")
    (verdict,) = report.subjects[0].verdicts
    assert verdict.verdict == "fails" and verdict.location is not None
    if words:
        assert (verdict.diagnosis or "").startswith(words)


class TwoMistakes(Swapped):
    """It shows the second one only where an initial state is given."""

    def forward(self, x, hx=None):
        return super().forward(x, None)


def test_a_second_mistake_that_only_given_states_show_is_named_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = rnncheck.verify(TwoMistakes, properties="agree.forward", dtypes=["float32"], engine="inline", budget="60s")
    (verdict,) = report.subjects[0].verdicts
    assert verdict.diagnosis == "agrees with torch.nn.GRU if z and 1 - z are exchanged and the initial state is ignored"


@pytest.mark.parametrize(
    "bug",
    some(
        [
            "own-leaky-relu",
            "own-tanh-after-projection",
            "own-position-in-recurrence",
            "own-length-one-skipped",
            "own-last-unit-masked",
        ],
        2,
    ),
)
def test_what_explains_the_minimal_case_alone_is_not_said(bug, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (verdict,) = rnncheck.verify(subject_of(MUTANTS[bug]), properties="agree.forward", engine="inline").subjects[0].verdicts
    assert verdict.verdict == "fails" and verdict.location is not None
    assert verdict.diagnosis is None


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        ("lengths-path-never-run", "agrees with torch.nn.GRU if the lengths are ignored"),
        ("reverse-starts-in-padding", "agrees with torch.nn.LSTM if the reverse direction starts in the padding"),
        ("stateful-mixed-precision", "agrees with torch.nn.GRU if its final states are rounded to float32"),
    ],
)
def test_a_historic_bug_is_named(bug, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (verdict,) = rnncheck.verify(subject_of(MUTANTS[bug]), properties="agree.forward", engine="inline").subjects[0].verdicts
    assert verdict.diagnosis == words


class FactorOfTheDay(LSTM):
    """The forget gate is off by a factor that depends on the weights: what fits one draw does not fit another."""

    def gates(self, x, h, w):
        i, f, g, o = super().gates(x, h, w)
        return i, f * (1 + 1e-3 * w.hh.detach().mean()), g, o


def test_what_explains_one_draw_alone_is_not_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (verdict,) = rnncheck.verify(FactorOfTheDay, properties="agree.forward", engine="inline").subjects[0].verdicts
    assert verdict.verdict == "fails" and verdict.diagnosis is None
