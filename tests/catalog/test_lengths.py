"""lengths.*: what each property catches, and what it lets through."""

import pickle

import pytest
import torch
from torch import nn

from rnncheck.adapters.with_lengths import taking_lengths
from rnncheck.catalog import CATALOG
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed
from tests.catalog.support import TORCH, judged, killed, outcomes, subject_of
from tests.effort import at_night, some
from tests.mutants import MUTANTS
from tests.mutants.controls.correct import Correct
from tests.mutants.planted.lengths_argument import GRUWithLengths, LSTMWithLengths
from tests.strangers import results_beside

KILLS = {
    "lengths.each_alone": "final-state-at-padded-end",
    "lengths.gradient_alone": "own-packed-gradient-per-length",
    "lengths.padding_ignored": "reverse-starts-in-padding",
    "lengths.order": "sorted-never-unsorted",
    "lengths.full": "reset-off-by-one",
}
KILLS_WITH_LENGTHS = {
    "lengths.module": "own-lengths-mask-by-product",
    "lengths.inert": "own-lengths-mask-by-product",
    "lengths.zero": "own-lengths-zero-reads-last",
}
KILLS_OF_READ = {"lengths.beside": "BridgedOverPadding"}
OF_MODULES = [name for name, mutant in MUTANTS.items() if mutant.kind == "lengths"]


class ZeroRefused(GRUWithLengths):
    """Takes no length of zero, and says so."""

    def check_lengths(self, x, lengths):
        if int(lengths.min()) < 1:
            raise ValueError(f"lengths should be positive, got {lengths.tolist()}")


RIGHT = {
    "gru": Correct(GRUWithLengths, nn.GRU, "lengths"),
    "lstm": Correct(LSTMWithLengths, nn.LSTM, "lengths"),
    "zero-refused": Correct(ZeroRefused, nn.GRU, "lengths"),
}


def module_subject(variant):
    """A module that takes lengths, as a subject that claims packed input and lengths."""
    return taking_lengths(subject_of(variant))


@pytest.mark.parametrize(("prop", "mutant"), KILLS_WITH_LENGTHS.items())
def test_a_module_that_takes_lengths_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], module_subject(MUTANTS[mutant]))
    assert outcome.status == "fails", case


@pytest.mark.parametrize("mutant", some(OF_MODULES))
def test_every_mutant_that_takes_lengths_is_found(mutant):
    found = [killed(CATALOG[prop], module_subject(MUTANTS[mutant])) for prop in KILLS_WITH_LENGTHS]
    assert any(found)


@pytest.mark.parametrize("variant", RIGHT)
def test_modules_that_take_lengths_are_clean(variant):
    ids = [*KILLS_WITH_LENGTHS, *KILLS]
    found = list(judged(dict.fromkeys(ids, at_night(8, 3)), module_subject(RIGHT[variant])))
    assert [pair for pair in found if pair[1].red] == []
    assert {outcome.property for _, outcome in found if outcome.status == "holds"} == set(ids)


def test_such_a_subject_travels_to_another_process():
    subject = pickle.loads(pickle.dumps(module_subject(RIGHT["gru"])))
    layer = subject.build(Config("GRU", 2, 3, batch_first=True), torch.float64, torch.device("cpu"))
    output, (h_n,) = layer.with_lengths(torch.ones(2, 4, 2, dtype=torch.float64), None, torch.tensor([4, 1]))
    assert output[1, 0].equal(h_n[0, 1]) and not output[1, 1:].any()


@pytest.mark.parametrize("prop", KILLS_WITH_LENGTHS)
def test_torch_does_not_take_lengths(prop):
    """And packing, which is torch's way, refuses a length of zero clearly."""
    case = next(case for case, _ in outcomes(CATALOG["lengths.full"], TORCH["GRU"], 1))
    assert judge(CATALOG[prop], Trial(TORCH["GRU"], case)).status == "not_claimed"
    with pytest.raises(RuntimeError, match="greater than 0"):
        nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4), torch.tensor([3, 0]))


def test_what_comes_back_beside_may_not_depend_on_the_padding():
    prop = CATALOG["lengths.beside"]
    _, outcome = killed(prop, claimed(results_beside.BridgedOverPadding), 6)
    assert outcome.status == "fails" and "with other padding" in outcome.mismatches[0]
    assert {outcome.status for _, outcome in outcomes(prop, claimed(results_beside.BridgedWithLengths), 4)} == {"holds"}
