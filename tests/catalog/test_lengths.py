"""lengths.*: what each property catches, and what it lets through."""

import pytest
import torch

from rnncheck.catalog import CATALOG
from rnncheck.config import MODES
from rnncheck.judge import judge
from rnncheck.trial import Trial
from tests.catalog.lengths_modules import (
    GRUWithLengths,
    LSTMWithLengths,
    MaskedByMultiplication,
    PaddedToTheLongest,
    RNNWithLengths,
    StaleAfterTheEnd,
    ZeroFailsSomewhere,
    ZeroRefused,
    ZeroTakenForOne,
    lengths_subject,
)
from tests.catalog.support import TORCH, complaints, killed, outcomes, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "lengths.each_alone": "final-state-at-padded-end",
    "lengths.gradient_alone": "own-packed-gradient-per-length",
    "lengths.padding_ignored": "reverse-starts-in-padding",
    "lengths.order": "sorted-never-unsorted",
    "lengths.full": "reset-off-by-one",
}
OWN_KILLS = {
    MaskedByMultiplication: "lengths.module",
    StaleAfterTheEnd: "lengths.module",
    PaddedToTheLongest: "lengths.module",
    ZeroTakenForOne: "lengths.zero",
    ZeroFailsSomewhere: "lengths.zero",
}
RIGHT = [RNNWithLengths, GRUWithLengths, LSTMWithLengths, ZeroRefused]


@pytest.mark.parametrize(("prop", "mutant"), KILLS.items())
def test_a_mutant_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails", case


@pytest.mark.parametrize(("module", "prop"), OWN_KILLS.items())
def test_a_mutant_that_takes_lengths_is_killed(module, prop):
    case, outcome = killed(CATALOG[prop], lengths_subject(module))
    assert outcome.status == "fails", case


@pytest.mark.parametrize("module", RIGHT)
@pytest.mark.parametrize("prop", ["lengths.module", "lengths.zero", *KILLS])
def test_modules_that_take_lengths_are_clean(prop, module):
    subject = lengths_subject(module)
    assert complaints(CATALOG[prop], subject, 8) == []
    assert any(outcome.status == "holds" for _, outcome in outcomes(CATALOG[prop], subject, 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 15) == []


@pytest.mark.parametrize("prop", KILLS)
def test_something_is_checked(prop):
    assert any(outcome.status == "holds" for mode in MODES for _, outcome in outcomes(CATALOG[prop], TORCH[mode], 1))


@pytest.mark.parametrize("prop", ["lengths.module", "lengths.zero"])
def test_torch_does_not_take_lengths(prop):
    """And packing, which is torch's way, refuses a length of zero clearly."""
    case = next(case for case, _ in outcomes(CATALOG["lengths.full"], TORCH["GRU"], 1))
    assert judge(CATALOG[prop], Trial(TORCH["GRU"], case)).status == "not_claimed"
    with pytest.raises(RuntimeError, match="greater than 0"):
        torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4), torch.tensor([3, 0]))
