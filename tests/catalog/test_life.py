"""life.*: what each property catches, and what it lets through."""

import pytest
import torch

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.lifecycle import Life, importable
from rnncheck.catalog.tools.lifecycle_operations import OPERATIONS, owner, perform
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, killed, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "life.machine": "own-deepcopy-shares-weights",
    "life.copied": "own-pickle-loses-flag",
    "life.leak": "own-states-kept-for-later",
    "life.interleaved": "own-default-state-shared",
}
RAISES = {"life.copied"}
"""A copy that lost its layout refuses what the layer takes."""
CASE = Case(Config("LSTM", 3, 4, 2, dropout=0.5), time=3, batch=2, hx="random", training=True)


@pytest.mark.parametrize(
    "mutant",
    [
        "trace-bakes-batch", "own-default-state-cached", "own-pickle-loses-flag", "own-load-skips-reverse",
        "own-weights-cached", "own-weights-cached-by-version", "own-parameters-listed-once", "weights-destroyed",
        "own-weights-drift",
    ],
)  # fmt: skip
def test_the_machine_finds(mutant):
    assert killed(CATALOG["life.machine"], subject_of(MUTANTS[mutant]), 25) is not None


@pytest.mark.parametrize("mutant", ["own-flag-on-the-class", "reset-noop-for-bidir"])
def test_taking_turns_finds(mutant):
    assert killed(CATALOG["life.interleaved"], subject_of(MUTANTS[mutant])) is not None


def test_a_layer_that_keeps_its_graph_cannot_be_copied():
    _, outcome = killed(CATALOG["life.copied"], subject_of(MUTANTS["own-last-state-kept-with-its-graph"]))
    assert outcome.status == "errored" and "while being copied" in outcome.reason


def test_a_layer_that_keeps_what_it_was_given_to_load_is_found():
    _, outcome = killed(CATALOG["life.machine"], subject_of(MUTANTS["own-load-keeps-what-was-given"]))
    assert "after load_state_dict" in outcome.mismatches[0]


def test_a_disagreement_says_what_was_done():
    _, outcome = killed(CATALOG["life.machine"], subject_of(MUTANTS["own-load-skips-reverse"]))
    assert "after load_state_dict" in outcome.mismatches[0]


def test_every_operation_can_be_performed_on_torch():
    life = Life.begin(Trial(TORCH["LSTM"], CASE))
    assert [name for name, (_, offered) in OPERATIONS.items() if not offered(life)] == []
    for name in OPERATIONS:
        assert perform(life, name).holds, name
    assert life.done[3].startswith("to(dtype) and back")


def test_the_same_case_leads_the_same_life():
    prop, subject = CATALOG["life.machine"], subject_of(MUTANTS["own-weights-cached"])
    assert judge(prop, Trial(subject, CASE)) == judge(prop, Trial(subject, CASE))


def test_a_class_of_a_function_is_not_pickled():
    class Local(torch.nn.LSTM):
        pass

    life = Life.begin(Trial(TORCH["LSTM"], CASE))
    assert importable(life)
    life.layer.module.__class__ = Local
    assert not importable(life)


def test_a_parameter_is_found_where_it_lives():
    life = Life.begin(Trial(TORCH["LSTM"], CASE))
    assert owner(life, life.module.weight_hh_l1) == ("", "weight_hh_l1")
    assert owner(life, torch.zeros(1)) is None


class DropoutBuiltOnce(torch.nn.Module):
    """A stack whose dropout is a part of it, where there is any: the number that it keeps is for its repr alone."""

    def __init__(self, input_size, hidden_size, num_layers=1, dropout=0.0, **others):
        super().__init__()
        sizes = [input_size, *[hidden_size] * num_layers]
        self.parts = torch.nn.ModuleList(torch.nn.GRUCell(one, hidden_size) for one in sizes[:-1])
        self.dropout, self.between = dropout, torch.nn.Dropout(dropout) if dropout else None


def test_a_dropout_that_is_built_once_is_not_changed():
    subject = torch_like(DropoutBuiltOnce, ("GRU",), "dropout built once", without=("load", "bidirectional", "bias_off"))
    life = Life.begin(Trial(subject, Case(Config("GRU", 3, 4, 2), time=3, batch=2)))
    assert not OPERATIONS["another dropout"][1](life)
    assert OPERATIONS["another dropout"][1](Life.begin(Trial(TORCH["LSTM"], CASE.but(dropout=0.0))))
