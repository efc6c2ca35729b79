"""mode.*: what each property catches, and what it lets through; and the statistics of it."""

import random
from fractions import Fraction
from math import comb

import pytest
import torch
from torch import nn

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.backend.torch_state import preserved
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.deeds import calls_that_differ
from rnncheck.catalog.tools.dropout_counts import dropout_in_calls
from rnncheck.catalog.tools.dropout_masks import as_it_should, kept_values, panes
from rnncheck.catalog.tools.significance import LEVEL, allowed_counts, chance_says
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial, seeded
from tests.adapters.support import claimed
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
    "mode.dropout_of_one_layer": "DropsInEval",
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


def test_the_same_nan_in_each_call_is_repeated():
    trial = Trial(TORCH["GRU"], Case(Config("GRU", 4, 5), 3, training=True))
    assert calls_that_differ(trial.layer, torch.full_like(trial.x, torch.nan), None, 3, 8) == []


@pytest.mark.parametrize("mutant", ["own-eval-scales", "converted-module-never-loaded"])
def test_wrong_eval_is_found(mutant):
    assert killed(CATALOG["mode.eval_ignores_dropout"], subject_of(MUTANTS[mutant])) is not None


def test_a_refusal_that_leaves_gradients_off_is_found():
    with preserved():
        _, outcome = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-refusal-leaves-gradients-off"]))
    assert outcome.mismatches == ("grad mode = False, but should be True",)


def test_a_seed_of_python_s_random_numbers_is_found_whatever_was_called_before():
    before = random.getstate()
    _, outcome = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-python-reseeded"]))
    assert outcome.mismatches == ("Python's random numbers = seeded, but should be not seeded",)
    again = killed(CATALOG["mode.settings"], subject_of(MUTANTS["own-python-reseeded"]))
    assert again is not None and random.getstate() == before


@pytest.mark.parametrize("mutant", ["own-dropout-of-one-has-no-gradient", "own-dropout-of-one-is-none"])
def test_a_dropout_of_one_is_found(mutant):
    assert killed(CATALOG["mode.all_dropped"], subject_of(MUTANTS[mutant])) is not None


class Locked(nn.Module):
    """A stack with variational dropout: one mask for all steps of a sequence."""

    def __init__(self, input_size, hidden_size, num_layers=2, dropout=0.3):
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.rnns, self.p = nn.ModuleList(nn.LSTM(size, hidden_size) for size in sizes), dropout

    def masked(self, x):
        return x * x.new_empty(1, *x.shape[1:]).bernoulli_(1 - self.p) / (1 - self.p)

    def forward(self, x, hx=None):
        states = []
        for k, rnn in enumerate(self.rnns):
            x = self.masked(x) if k and self.training and self.p else x
            x, state = rnn(x, None if hx is None else (hx[0][k : k + 1], hx[1][k : k + 1]))
            states.append(state)
        return x, tuple(map(torch.cat, zip(*states, strict=True)))


class LockedForAll(Locked):
    """All sequences share a mask."""

    def masked(self, x):
        return x * x.new_empty(1, 1, x.shape[2]).bernoulli_(1 - self.p) / (1 - self.p)


class LockedAtOneNumber(Locked):
    """Every call draws the same mask."""

    def masked(self, x):
        torch.manual_seed(0)
        return super().masked(x)


class LockedUnscaled(Locked):
    """What is kept is not scaled."""

    def masked(self, x):
        return x * x.new_empty(1, *x.shape[1:]).bernoulli_(1 - self.p)


class DrawsInVain(nn.GRU):
    """Noise of no size is added."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)

    def forward(self, input, hx=None):
        return super().forward(input + 0 * self.drawn(input), hx)

    def drawn(self, input):
        return torch.rand_like(input)


class Seeds(DrawsInVain):
    """Each call sets the seed of all that comes after it."""

    def drawn(self, input):
        torch.manual_seed(0)
        return super().drawn(input)


class BeginsAtRandom(DrawsInVain):
    """Without a state, it begins from one that is drawn."""

    def forward(self, input, hx=None):
        rows = input.shape[1:-1]
        return nn.GRU.forward(self, input, torch.randn(1, *rows, self.hidden_size, dtype=input.dtype) if hx is None else hx)


@pytest.mark.parametrize(("layer", "warned"), [(DrawsInVain, True), (Seeds, False), (BeginsAtRandom, False)])
def test_random_numbers_are_warned_of_where_nothing_shows_them(layer, warned):
    prop = CATALOG["mode.rng"]
    _, outcome = killed(prop, claimed(layer), 6)
    assert (prop.warns_of(outcome.mismatches) is not None) is warned


BETWEEN, DROPPED = CATALOG["mode.dropout_between_layers"], CATALOG["mode.all_dropped"]


def test_one_mask_for_all_steps_is_warned_of_and_no_failure():
    subject = claimed(Locked)
    _, outcome = killed(BETWEEN, subject, 6)
    assert outcome.mismatches == ("one mask for all steps = True, but should be False",)
    assert BETWEEN.warns_of(outcome.mismatches) and "new_empty" in subject.claims["packed"].why
    _, outcome = killed(DROPPED, subject, 6)
    assert "nan" in outcome.mismatches[0] and DROPPED.warns_of(outcome.mismatches)


@pytest.mark.parametrize("mistake", [LockedForAll, LockedAtOneNumber, LockedUnscaled])
def test_a_mistake_in_one_mask_for_all_steps_is_found(mistake):
    _, outcome = killed(BETWEEN, claimed(mistake), 6)
    assert BETWEEN.warns_of(outcome.mismatches) is None


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


@pytest.mark.parametrize(("trials", "probability"), [(40, 0.5), (60, 0.25), (100, 0.75), (33, 0.9)])
def test_the_counts_that_chance_explains_are_exact(trials, probability):
    p = Fraction(probability)
    each = [comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
    allowed = [k for k in range(trials + 1) if min(sum(each[: k + 1]), sum(each[k:])) > LEVEL / 2]
    assert allowed_counts(trials, probability) == (allowed[0], allowed[-1])


def test_chance_allows_six_standard_deviations_and_not_eight():
    assert by_chance(5000 + 300, 10_000, 0.5)  # the standard deviation is 50
    assert not by_chance(5000 + 400, 10_000, 0.5)
    assert not by_chance(5000 - 400, 10_000, 0.5)


def by_chance(count, trials, probability):
    found, should = chance_says(count, trials, probability)
    assert found in (should, f"{count} of {trials}")
    return found == should


@pytest.mark.parametrize(("probability", "count", "holds"), [(0.0, 0, True), (0.0, 1, False), (1.0, 5, True), (1.0, 4, False)])
def test_certainty_leaves_nothing_to_chance(probability, count, holds):
    assert by_chance(count, 5, probability) is holds


@pytest.mark.parametrize("mode", MODES)
def test_a_value_that_was_dropped_is_zero_and_the_others_are_known(mode):
    case = Case(Config(mode, 3, 4, 3, dropout=0.5), time=2, batch=2, training=True)
    glass = panes(Trial(TORCH[mode], case))
    with seeded(0):
        output = glass.run_on(glass.build()).output
        seen = glass.do(dropout_in_calls, glass.build(), *glass.arguments, glass.case.seed, 3, 1, 0.5, False)
    assert as_it_should(glass, seen).holds
    assert output[output != 0].allclose(torch.tensor(kept_values(case.config)[-1]).float())
    assert 0.2 < (output != 0).float().mean() < 0.3  # 0.5 at each of two gaps
