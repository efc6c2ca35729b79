"""time.*: what each property catches, and what it lets through."""

import pytest
import torch

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog import CATALOG
from rnncheck.catalog.time import within_reach
from rnncheck.catalog.tools.designed_weights import FAINT, transparent_parameters, visibly_moved
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, claiming, complaints, killed, subject_of
from tests.effort import some
from tests.mutants import EXTRA, MUTANTS
from tests.mutants.controls.correct import CORRECT

KILLS = {
    "time.split": "state-not-carried",
    "time.split_packed": "own-packed-ignores-hx",
    "time.step_by_step": "own-position-in-recurrence",
    "time.same_weights": "own-position-in-recurrence",
    "time.reach": "own-next-input",
    "time.causal": "own-next-input",
    "time.memory": "own-window-of-four",
    "time.prefill": "state-not-carried",
}
KILLS_OF_TYPED = {"time.reset": "reset-one-step-late"}
"""In tests/typed/test_mistaken.py."""
KILLS_OF_CLAIMS = {"time.in_pieces": "own-rounds-by-time"}


@pytest.mark.parametrize("mutant", ["bwd-input-not-reversed", "rev-output-not-flipped-back", "dirs-reshape-order"])
def test_reach_knows_the_reverse_direction(mutant):
    assert killed(CATALOG["time.reach"], subject_of(MUTANTS[mutant])) is not None


def test_what_is_claimed_bit_for_bit_is_held_to_it():
    prop, subject = CATALOG["time.in_pieces"], claiming("in_pieces", EXTRA["own-rounds-by-time"])
    assert killed(prop, subject) is not None
    assert complaints(CATALOG["time.split"], subject, 6) == []  # it is right, but for the last bit
    assert complaints(prop, claiming("in_pieces", CORRECT["rnn"]), 6) == []


def reach_of(**changes):
    """within_reach of a small packed case: three steps, lengths 3 and 2; (s, t, batch, directions)."""
    config = Config("GRU", 2, 3).but(**changes)
    return within_reach(Trial(TORCH["GRU"], Case(config, time=3, batch=2, lengths=(3, 2))))


def test_a_forward_output_is_within_reach_of_what_came_before():
    expected = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)
    assert reach_of()[:, :, 0, 0].equal(expected)


def test_nothing_reaches_over_a_sequence_s_end():
    reach = reach_of(bidirectional=True)
    assert reach[:, :, 1, 0].equal(torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.bool))
    assert reach[:, :, 1, 1].equal(torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.bool))


def test_above_two_directions_everything_is_within_reach():
    assert reach_of(bidirectional=True, num_layers=2)[:, :, 0].all()


@pytest.mark.parametrize("mode", some(MODES, 2))
@pytest.mark.parametrize("prop", ["time.reach", "state.used"])
def test_what_rounding_hides_need_not_move(prop, mode):
    """After many steps an influence is below bfloat16's rounding, in torch's layers as in any other."""
    case = Case(Config(mode, 2, 3, 2, bidirectional=True), time=65, batch=1, dtype="bfloat16", hx="random", seed=5)
    assert judge(CATALOG[prop], Trial(TORCH[mode], case)).status == "holds"


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_of_few_steps_all_that_is_within_reach_has_to_move(mode, layers, dtype):
    case = Case(Config(mode, 2, 3, layers, bidirectional=True), time=4, batch=2, dtype=dtype, hx="none", seed=1)
    faint = torch.full_like(Trial(TORCH[mode], case).x, FAINT)
    quiet = Trial(TORCH[mode], case)
    quiet = quiet.but(x=faint, parameters=transparent_parameters(quiet))
    for s, reach in enumerate(within_reach(quiet)):
        changed = quiet.but(x=faint.index_fill(0, torch.tensor(s), 1.0))
        visible = visibly_moved(changed, quiet).output.unflatten(2, (2, -1)).any(3)
        assert visible.equal(reach), (s, visible)


def test_nothing_is_asked_to_move_where_there_is_no_sequence():
    """An output of an empty batch has no elements that another input could move."""
    case = Case(Config("GRU", 1, 1), time=2, batch=0, hx="none")
    assert judge(CATALOG["time.causal"], Trial(TORCH["GRU"], case)).status == "not_applicable"


class Spiking(torch.nn.Module):
    """A leaky neuron of each unit, whose outputs are its spikes: 0 or 1."""

    def __init__(self, input_size, hidden_size, *options, **more):
        super().__init__()
        self.linear = torch.nn.Linear(input_size, hidden_size)

    def forward(self, x, mem=None):
        mem, spikes = torch.zeros(x.shape[1], self.linear.out_features) if mem is None else mem[0], []
        for step in self.linear(x):
            mem = 0.9 * mem + step
            spikes.append((mem > 1).to(x))
        return torch.stack(spikes), mem[None]


class Skipping(Spiking):
    """The same, which ignores the last step."""

    def forward(self, x, mem=None):
        return super().forward(torch.cat([x[:-1], x[:-1][-1:]]), mem)


def test_a_spike_moves_with_some_input():
    case = Case(Config("RNN_TANH", 3, 4), time=5, batch=2)
    for layer, status in ((Spiking, "holds"), (Skipping, "fails")):
        subject = torch_like(layer, ("RNN_TANH",), "spiking", without=("load",))
        outcomes = [judge(CATALOG["time.causal"], Trial(subject, case.but(seed=seed))).status for seed in range(8)]
        assert {*outcomes} == {status}, outcomes
