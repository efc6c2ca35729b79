"""numeric.*: what each property catches, and what it lets through."""

import pytest
import torch

import rnncheck
from rnncheck.catalog.numeric import largest, long, reached
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH

KILLS = {
    "numeric.finite": "own-scale-grows-with-time",
    "numeric.finite_gradient": "own-scale-grows-with-time",
    "numeric.nan_stays": "own-nan-to-num",
    "numeric.nan_in_state": "own-nan-in-state-cleaned",
    "numeric.extreme": "stabiliser-or-normaliser-missing",
    "numeric.extreme_gradient": "own-nan-gradient-of-where",
    "numeric.range": "own-tanh-from-exponentials",
    "numeric.digits": "own-state-in-bfloat16",
}
KILLS_BY_TYPE = {"numeric.bounds": "slope_lost_at_one"}
"""What only values with bounds show; judged in tests/typed/test_range.py."""
MORE = [
    ("numeric.nan_stays", "own-nan-not-carried"),
    ("numeric.nan_stays", "own-nan-spreads-over-batch"),
    ("numeric.extreme", "own-tanh-from-exponentials"),
    ("numeric.extreme", "own-input-clamped"),
    ("numeric.extreme", "own-subnormal-states-flushed"),
    ("numeric.extreme", "own-float16-overflows"),
]


def reach_of(**changes):
    """What step 1 of sequence 1 reaches, in a packed case of three steps, lengths 3 and 2: (time, directions), states."""
    config = Config("GRU", 2, 3).but(**changes)
    run = reached(Trial(TORCH["GRU"], Case(config, time=3, batch=2, lengths=(3, 2))), step=1, row=1)
    assert not run.output[:, 0].any()
    assert not run.h_n[:, 0].any()
    return run.output[:, 1, ::3].tolist(), run.h_n[:, 1, 0].tolist()


def test_forward_reaches_later_steps_up_to_the_sequence_s_end():
    assert reach_of() == ([[False], [True], [False]], [True])


def test_reverse_reaches_earlier_steps():
    assert reach_of(bidirectional=True) == ([[False, True], [True, True], [False, False]], [True, True])


def test_above_two_directions_everything_is_reached():
    assert reach_of(bidirectional=True, num_layers=2) == ([[True, True], [True, True], [False, False]], [True] * 4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_largest_values_do_not_overflow(mode, dtype):
    trial = Trial(TORCH[mode], Case(Config(mode, 7, 8), time=1, batch=1, dtype=dtype))
    x, w = torch.full((7,), 3.5 * largest(trial), dtype=torch.float64), 3.5 * largest(trial)
    assert (x.sum() * w).to(trial.x.dtype).isfinite()


def test_a_long_case_has_long_lengths():
    case = Case(Config("LSTM", 2, 3, 3, dropout=0.5), time=4, batch=2, lengths=(4, 1), hx="random", training=True)
    trial = long(Trial(TORCH["LSTM"], case))
    assert trial.time in (125, 250, 500, 1000, 2000)
    assert trial.lengths == (trial.time, trial.time // 4)
    assert not trial.case.dropout_active


class UpdateGateRNN(torch.nn.Module):
    """A recurrence of its own whose parameters are called as torch's are, and have the rows of two gates."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = torch.nn.Parameter(torch.randn(2 * hidden_size, input_size) / 4)
        self.weight_hh = torch.nn.Parameter(torch.randn(2 * hidden_size, hidden_size) / 4)
        self.bias_ih, self.bias_hh = (torch.nn.Parameter(torch.zeros(2 * hidden_size)) for _ in "ih")

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], self.weight_hh.shape[1]) if hx is None else hx.squeeze(0)
        outputs = []
        for x in input:
            c, g = (x @ self.weight_ih.T + h @ self.weight_hh.T + self.bias_ih + self.bias_hh).chunk(2, -1)
            h = h + torch.sigmoid(-g) * (torch.tanh(c) - h)
            outputs.append(h)
        return torch.stack(outputs), h[None]


class Counts(torch.nn.Module):
    """How many steps went in so far: whole numbers, which have few digits in any dtype."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], input.shape[2]) if hx is None else hx.squeeze(0).round()
        outputs = h + (input > 0.7).to(input).cumsum(0)
        return outputs, outputs[-1:]


def test_of_whole_numbers_no_digits_are_claimed():
    report = rnncheck.verify(Counts, properties="numeric.digits", engine="inline", max_examples=4)
    assert [verdict.verdict for _, verdict in report.verdicts()] == ["not_claimed"]


def test_parameters_under_torchs_names_may_have_other_shapes():
    report = rnncheck.verify(UpdateGateRNN, properties="numeric.extreme_gradient,shape.meta", engine="inline", max_examples=40)
    found = {verdict.property: verdict.verdict for _, verdict in report.verdicts()}
    assert report.failures == []
    assert found["numeric.extreme_gradient"] == found["shape.meta"] == "holds"
