"""gradient.*: what each property catches, and what it lets through."""

import pytest
import torch

from rnncheck.catalog import CATALOG
from rnncheck.catalog.gradient import within_sight
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, claiming, complaints, killed, outcomes, subject_of
from tests.mutants import EXTRA
from tests.mutants.controls.correct import CORRECT

KILLS = {
    "gradient.reference": "di-uses-i",
    "gradient.numerical": "weight-grad-uses-ht",
    "gradient.second": "own-second-derivative-silently-wrong",
    "gradient.second_refused": "own-second-derivative-made-up",
    "gradient.penalty": "own-second-derivative-silently-wrong",
    "gradient.forward_mode": "own-wrong-jvp",
    "gradient.every_output": "unused-output-crash",
    "gradient.one_result": "own-cell-gradient-needs-final-cell",
    "gradient.loss_scale": "own-gradient-cut-at-100",
    "gradient.any_requires_grad": "own-frozen-layer-cuts-graph",
    "gradient.accumulates": "second-backward",
    "gradient.split": "last-step-gradient-only",
    "gradient.eval_is_train": "own-upper-input-detached-in-eval",
    "gradient.reach": "own-input-gradient-shifted",
    "gradient.through_final_state": "own-final-cell-gradient-dropped",
    "gradient.into_initial_state": "chunk-size-gradient",
}
KILLS_OF_CLAIMS = {"gradient.repeatable": "own-sums-in-any-order"}
MORE = [
    ("gradient.reference", "middle-layer-weight-grad"),
    ("gradient.reference", "zero-dropout-multilayer"),
    ("gradient.reference", "own-projection-gradient"),
    ("gradient.penalty", "double-backward-one-device"),
    ("gradient.second", "double-backward-one-device"),
    ("gradient.any_requires_grad", "own-graph-only-if-input-requires-grad"),
    ("gradient.loss_scale", "own-tiny-gradients-flushed"),
    ("gradient.accumulates", "own-gradients-cleared-by-forward"),
    ("gradient.split", "state-mutation-gradient"),
    ("gradient.eval_is_train", "eval-mode-backward"),
    ("gradient.reach", "own-next-input"),
]
RAISES = {
    "unused-output-crash",
    "second-backward",
    "eval-mode-backward",
    "double-backward-one-device",
}
FORWARD_MODE = "NotImplementedError while calling: Trying to use forward AD with mkldnn_rnn_layer"


def test_what_is_claimed_bit_for_bit_is_held_to_it():
    prop = CATALOG["gradient.repeatable"]
    assert killed(prop, claiming("repeatable", EXTRA["own-sums-in-any-order"])) is not None
    assert complaints(prop, claiming("repeatable", CORRECT["rnn"]), 6) == []


@pytest.mark.parametrize("layer", ["lstm-by-hand", "lstm-once-differentiable"])
def test_a_refusal_of_second_derivatives_is_checked(layer):
    holds = outcomes(CATALOG["gradient.second_refused"], subject_of(CORRECT[layer]), 3)
    assert [outcome.status for _, outcome in holds] == ["holds"] * 3


def test_forward_mode_is_missing_where_onednn_runs_the_lstm():
    case = Case(Config("LSTM", 3, 4), time=3, batch=2)
    assert any(FORWARD_MODE in line for line in complaints(CATALOG["gradient.forward_mode"], TORCH["LSTM"], 8)), case


def sight_of(**changes):
    """within_sight of a small packed case: three steps, lengths 3 and 2; (directions, t, s, batch)."""
    config = Config("GRU", 2, 3).but(**changes)
    return within_sight(Trial(TORCH["GRU"], Case(config, time=3, batch=2, lengths=(3, 2))))


def test_a_forward_output_sees_what_came_before():
    expected = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=torch.bool)
    assert sight_of()[0, :, :, 0].equal(expected)


def test_a_reverse_output_sees_what_comes_up_to_its_sequence_s_end():
    expected = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)
    assert sight_of(bidirectional=True)[1, :, :, 1].equal(expected)


def test_above_the_first_layer_of_a_bidirectional_net_all_is_seen():
    expected = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.bool)
    assert sight_of(bidirectional=True, num_layers=2)[0, :, :, 1].equal(expected)
