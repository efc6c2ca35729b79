"""mode.*: what each property catches, and what it lets through; and the statistics of it."""

import random
from fractions import Fraction
from math import comb

import pytest
import torch

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.backend.torch_state import preserved
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.dropout_masks import kept, kept_values, panes, placed
from rnncheck.catalog.tools.significance import by_chance, tails
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial, seeded
from tests.catalog.support import TORCH, killed, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "mode.repeatable": "dropout-state-ignores-seed",
    "mode.eval_ignores_dropout": "dropout-in-eval",
    "mode.dropout_between_layers": "mask-not-resampled",
    "mode.dropout_gradient": "own-checkpoint-forgets-mask",
    "mode.all_dropped": "own-dropout-of-one-divides-by-zero",
    "mode.settings": "own-precision-lowered-for-all",
    "mode.rng": "own-random-state-consumed",
}


@pytest.mark.parametrize(
    "mutant",
    [
        "dropout-dead-assignment", "dropout-arg-on-1-layer-rnns", "dropout-scheme-depends-on-flags", "eval-sticks",
        "miopen-second-step-all-drop", "own-dropout-after-last", "own-dropout-not-rescaled", "own-dropout-per-sequence",
        "own-dropout-keep-probability", "own-dropout-on-recurrence",
    ],
)  # fmt: skip
def test_wrong_dropout_is_found(mutant):
    assert killed(CATALOG["mode.dropout_between_layers"], subject_of(MUTANTS[mutant]), 40) is not None


@pytest.mark.parametrize("mutant", ["own-third-call-differs", "reset-noop-for-bidir", "weights-destroyed", "own-weights-drift"])
def test_calls_that_differ_are_found(mutant):
    assert killed(CATALOG["mode.repeatable"], subject_of(MUTANTS[mutant])) is not None


@pytest.mark.parametrize("mutant", ["own-eval-scales", "converted-module-never-loaded"])
def test_wrong_eval_is_found(mutant):
    assert killed(CATALOG["mode.eval_ignores_dropout"], subject_of(MUTANTS[mutant])) is not None


def test_a_refusal_that_leaves_gradients_off_is_found():
    with preserved():
        _, outcome = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-refusal-leaves-gradients-off"]))
    assert outcome.mismatches == ("grad mode = False, but should be True",)


def test_numbers_that_python_draws_anew_are_found_whatever_was_called_before():
    before = random.getstate()
    _, outcome = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-python-reseeded"]))
    assert outcome.mismatches == ("Python's random numbers = others, but should be the same",)
    again = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-python-reseeded"]))
    assert again is not None and random.getstate() == before


@pytest.mark.parametrize("mutant", ["own-dropout-of-one-has-no-gradient", "own-dropout-of-one-is-none"])
def test_a_dropout_of_one_is_found(mutant):
    assert killed(CATALOG["mode.all_dropped"], subject_of(MUTANTS[mutant])) is not None


def test_a_layer_may_refuse_a_dropout_of_one():
    class Refuses(torch.nn.LSTM):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if self.dropout == 1:
                raise ValueError(f"dropout = {self.dropout}, but should be below 1")

    subject = torch_like(Refuses, ("LSTM",), "Refuses")
    case = Case(Config("LSTM", 3, 4, 2, dropout=0.5), time=2, batch=2)
    outcome = judge(CATALOG["mode.all_dropped"], Trial(subject, case))
    assert outcome.status == "not_claimed" and "should be below 1" in outcome.reason


@pytest.mark.parametrize(("count", "trials", "probability"), [(3, 10, 0.5), (0, 7, 0.25), (7, 7, 0.25), (19, 20, 0.75)])
def test_tails_are_exact(count, trials, probability):
    p = Fraction(probability)
    each = [comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
    assert tails(count, trials, probability) == pytest.approx(float(min(sum(each[: count + 1]), sum(each[count:]))))


def test_chance_allows_six_standard_deviations_and_not_eight():
    assert by_chance("heads", 5000 + 300, 10_000, 0.5).holds  # the standard deviation is 50
    assert not by_chance("heads", 5000 + 400, 10_000, 0.5).holds
    assert not by_chance("heads", 5000 - 400, 10_000, 0.5).holds


@pytest.mark.parametrize(("probability", "count", "holds"), [(0.0, 0, True), (0.0, 1, False), (1.0, 5, True), (1.0, 4, False)])
def test_certainty_leaves_nothing_to_chance(probability, count, holds):
    assert by_chance("certain", count, 5, probability).holds is holds


@pytest.mark.parametrize("mode", MODES)
def test_a_value_that_was_dropped_is_zero_and_the_others_are_known(mode):
    case = Case(Config(mode, 3, 4, 3, dropout=0.5), time=2, batch=2, training=True)
    glass = panes(Trial(TORCH[mode], case))
    with seeded(0):
        run = glass.run_on(glass.build())
    assert placed(glass, run, "call").holds
    assert run.output[kept(glass, run)[:, :, 0]].allclose(torch.tensor(kept_values(case.config)[-1]).float())
    assert 0.2 < kept(glass, run).float().mean() < 0.3  # 0.5 at each of two gaps
