"""Further conventions, and further ways to build a layer, are read without a wrapper; a mistake in such a layer is red."""

from itertools import islice

import pytest
import torch

import rnncheck
from rnncheck.adapters.probing.settle import settled_subject
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim, NotClaimed
from rnncheck.judging.judge import judge, trial_of
from rnncheck.reading.calls.experiment import Sizes
from rnncheck.reading.read import OTHERWISE, read_module
from rnncheck.reading.target import read_target
from rnncheck.strategies.plan import plan
from tests.effort import some
from tests.reading import (
    applications,
    axes_and_states,
    beside_each_step,
    by_many_hands,
    courses,
    decoders,
    encoders,
    everyday,
    graphs,
    hyperparameters,
    images,
    kinds_of_state,
    layers_by_default,
    more_layers,
    nested_states,
    other_ways,
    public_layers,
    published,
    research_layers,
    small_differences,
    tutorials,
)
from tests.strangers.hunted import kill_of, subject_of

TABLES = (more_layers, nested_states, other_ways, applications, research_layers, tutorials, courses, public_layers,
          small_differences, images, hyperparameters, decoders, published, everyday, encoders,
          kinds_of_state, graphs, beside_each_step, by_many_hands,
          layers_by_default, axes_and_states)  # fmt: skip
LAYERS = {layer: told for table in TABLES for layer, told in table.LAYERS.items()}
MISTAKES = [wrong for _, *wrongs in LAYERS.values() for wrong in wrongs]


@pytest.mark.parametrize("layer", some(LAYERS, 5), ids=lambda layer: layer.__name__)
def test_what_is_read_is_true(layer):
    words, *_ = LAYERS[layer]
    assert words in read_target(layer).words()


@pytest.mark.parametrize("layer", some(LAYERS, 36), ids=lambda layer: layer.__name__)
def test_a_right_layer_is_not_red(layer):
    kill = kill_of(subject_of(layer), cases=4)
    assert kill is None, (kill.prop.id, kill.outcome)


@pytest.mark.parametrize("layer", some(MISTAKES, 60), ids=lambda layer: layer.__name__)
def test_its_mistakes_are_red(layer):
    assert kill_of(subject_of(layer), cases=8) is not None


@pytest.mark.parametrize("layer", some(LAYERS, 45), ids=lambda layer: layer.__name__)
def test_a_script_builds_it(layer):
    names = {}
    exec(subject_of(layer).source, names)
    built = names["build"](4, 8)
    inside = built.wrapped() if hasattr(built, "wrapped") else built
    assert layer in map(type, inside.modules())


def test_a_state_by_keyword_alone_is_claimed():
    assert subject_of(other_ways.ByKeyword).offers("hx")


class SaidToDecode(applications.AutoencoderOfTheMean):
    rnncheck_read = {"decoded": True}


def test_a_decoder_that_is_not_found_may_be_said():
    assert kill_of(subject_of(applications.AutoencoderOfTheMean), cases=4) is not None
    assert "decodes a summary of the whole sequence" in subject_of(SaidToDecode).read_as
    assert kill_of(subject_of(SaidToDecode), cases=4) is None


def test_several_layers_that_are_not_looked_at_are_told():
    assert "several layers, with which its state has another structure" in subject_of(tutorials.GivesTheLastState).not_looked_at


def test_two_directions_that_are_not_looked_at_are_told():
    subject, told = subject_of(other_ways.ByKeyword), "two directions, with which its state has another structure"
    assert told not in subject.not_looked_at
    claims = {**subject.claims, "bidirectional": Claim(False, "signature", OTHERWISE)}
    assert settled_subject(subject, claims).not_looked_at == (*subject.not_looked_at, told)


def test_a_flag_that_asks_for_equal_sizes_is_left_off():
    assert subject_of(public_layers.TiedWords).offers("sizes")


def test_dropout_that_acts_elsewhere_too_is_told():
    subject = subject_of(tutorials.DropsWords)
    assert not subject.offers("dropout") and "what dropout does in training" in subject.not_looked_at


@pytest.mark.parametrize(
    "wrong", [kinds_of_state.CarryFirstOfTheBatch, kinds_of_state.GoesOnFromZeros, kinds_of_state.BeliefOfBefore]
)
def test_a_mistake_in_the_state_is_red(wrong):
    assert kill_of(subject_of(wrong), cases=8) is not None


def test_an_unused_part_of_a_state_is_warned_of():
    (judged,) = rnncheck.verify(tutorials.GatesOfTheCell, properties="state.used", engine="inline", max_examples=4).subjects
    assert [(one.verdict, one.red) for one in judged.verdicts] == [("warns", False)]


class OutputsBefore(torch.nn.Module):
    """Each output comes before its step's update; the final state has the last step in it."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = torch.nn.GRUCell(input_size, hidden_size)

    def forward(self, x, h=None):
        h, outputs = x.new_zeros(x.shape[1], self.cell.hidden_size) if h is None else h[0], []
        for step in x:
            outputs.append(h)
            h = self.cell(step, h)
        return torch.stack(outputs), h[None]


def test_outputs_before_the_update_are_no_decoder_with_targets():
    assert "each output is of the step before" not in read_target(OutputsBefore).words()


def test_what_takes_steps_and_rows_in_one_axis_is_no_cell_whatever_it_does_with_them():
    layer = axes_and_states.AgentOfRowsFirst(4, 7).double()
    assert read_module(layer, Sizes(4, 7)).how.get("input") != "step"


def test_a_number_of_sequences_is_looked_at():
    assert "batch_size" not in read_target(courses.CountsRows).words()


def status(layer, prop, **changes):
    """How a property ends on four steps of three rows."""
    subject = subject_of(layer)
    config = (subject.fixed or Config(subject.modes[0], 3, 3)).but(batch_first=not subject.offers("time_first"))
    case = Case(config, 4, 3).but(**changes)
    return judge(CATALOG[prop], trial_of(subject, case)).status


def test_what_refuses_memory_that_is_not_contiguous_breaks_a_convention_alone():
    for prop in ("time.causal", "batch.alone"):
        assert status(courses.FlattensSteps, prop, layout="transposed") == "not_applicable"
        assert status(courses.FlattensMemory, prop, layout="transposed") == "fails"


def test_outputs_behind_the_end_are_none_where_the_last_one_comes_back():
    assert status(courses.WordsPerSentence, "lengths.module", lengths=(4, 2, 1)) == "holds"


def test_a_parameter_that_moves_nothing_at_the_times_given_may_have_no_gradient():
    assert status(hyperparameters.OpensAtTimes, "weights.trainable") == "holds"


def test_states_that_do_not_come_back_have_no_bounds():
    assert status(other_ways.BothWaysRNN, "gate.state_bound", bidirectional=True) == "holds"


def test_a_block_may_act_in_training_alone_where_a_layer_is_judged_in_eval():
    assert status(kinds_of_state.Belief, "weights.blocks", hx="random", training=True) == "not_claimed"


def test_many_steps_go_on_from_states_that_are_reached():
    assert status(courses.AskedForItsState, "numeric.finite", hx="random") == "holds"


def test_parameters_without_effect_at_one_size_alone_are_no_failure():
    assert status(tutorials.LogSoftmaxed, "weights.trainable") == "holds"
    assert status(tutorials.LogSoftmaxed, "weights.trainable", input_size=1) == "not_applicable"


class SineWaveOfSteps(applications.SineWave):
    """No gradient reaches the cell."""

    def forward(self, input, future=0):
        with torch.no_grad():
            before = super().forward(input, future)
        return self.linear.bias + before


def test_parameters_are_trained_at_the_sizes_that_a_layer_always_has():
    assert status(applications.SineWave, "weights.trainable") == "holds"
    assert status(SineWaveOfSteps, "weights.trainable") == "fails"


def test_squeeze_is_named():
    (judged,) = rnncheck.verify(tutorials.Squeezed, properties="batch.alone", engine="inline", max_examples=8).subjects
    (cause,) = judged.causes
    assert "squeeze() takes off every axis of size 1" in cause.headline


def test_what_is_not_looked_at_does_not_hide_torch_s_parameters():
    assert subject_of(hyperparameters.Scored).offers("load")


@pytest.mark.parametrize("prop", ["numeric.extreme", "numeric.extreme_gradient"])
def test_a_state_that_is_positive_is_given_no_other_numbers(prop):
    assert status(hyperparameters.MinGRUInLogarithms, prop, hx="random", training="gradient" in prop) == "holds"


def test_what_nobody_hands_on_is_not_said_to_disappear():
    assert subject_of(hyperparameters.ByKeywords).claims["batch_first"].why == "reads input as (time, batch, input)"


def test_an_option_that_a_layer_never_has_is_not_asked_for_its_effect():
    assert status(hyperparameters.ByKeywords, "weights.flags") == "not_applicable"


@pytest.mark.parametrize("layer", [decoders.AgainFromAnotherRow, decoders.GoesOnUpwardsAtOneWidth])
def test_what_only_looks_like_a_decoder_is_none(layer):
    assert "decodes a summary" not in read_target(layer).words()


def test_a_call_may_draw_from_python_s_random_numbers_and_not_seed_them():
    assert kill_of(subject_of(decoders.ForcedAtTimes), cases=2, by="mode.settings") is None
    assert kill_of(subject_of(decoders.ForcedAtOneSeed), cases=2, by="mode.settings") is not None


def test_a_recurrence_of_its_own_runs_long_with_the_weights_that_it_is_built_with():
    assert status(published.Independent, "numeric.finite", seed=8) == "holds"


def test_states_that_do_not_come_back_are_held_to_no_bound():
    subject = subject_of(other_ways.BothWaysRNN)
    case = next(case for case in plan(subject, ("float64",), 2, 0) if case.config.bidirectional)
    assert judge(CATALOG["gate.state_bound"], trial_of(subject, case)).status == "holds"


def test_what_is_called_the_hidden_size_is_as_large_as_the_state_wherever_it_stands():
    assert "hidden_size" in read_target(everyday.Forecaster).arguments.hidden


def test_dropout_that_stays_on_where_none_is_asked_for_is_red():
    assert "judged in eval()" not in read_target(courses.DropsWhateverIsAsked).words()
    assert kill_of(subject_of(courses.DropsWhateverIsAsked), cases=8) is not None


def test_no_case_is_smaller_than_the_constructor_takes():
    subject = subject_of(courses.Quarters)
    sizes = {case.config.hidden_size for case in islice(plan(subject, ("float32",), 2, 0), 20)}
    assert min(sizes) == 4 and len(sizes) > 2
    with pytest.raises(NotClaimed, match="takes no input_size below 4"):
        subject.build(Config("RNN_RELU", 3, 3), torch.float32, torch.device("cpu"))


class OfTheActionBefore(torch.nn.Module):
    """It is given its last action, as a whole number, and its last reward."""

    def __init__(self, obs_dim, hidden_size, actions=3):
        super().__init__()
        self.actions, self.gru = actions, torch.nn.GRU(obs_dim + actions + 1, hidden_size)

    def forward(self, obs, prev_action, prev_reward, h=None):
        action = torch.nn.functional.one_hot(prev_action.long(), self.actions).to(obs)
        return self.gru(torch.cat([obs, action, prev_reward[..., None]], -1), h)


def test_numbers_that_are_made_whole_ones_are_given_as_such():
    found = {one.name: (one.low, one.high, one.moves) for one in read_target(OfTheActionBefore).further}
    assert found == {"prev_action": (0.0, 1.0, True), "prev_reward": (0.25, 0.75, True)}
