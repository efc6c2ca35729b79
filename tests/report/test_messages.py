"""What a person reads: which layer raised, in whose lines, what is told first, and how little it takes to say it."""

import io

import torch
from rich.console import Console
from torch import nn

from rnncheck.campaign.subject_run import PropertyTally
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.dropout_counts import shares
from rnncheck.catalog.tools.dropout_masks import as_chance_has_it
from rnncheck.catalog.tools.significance import chance_says
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.mismatch_text import Origins
from rnncheck.core.observation import both, fact, identical, near, within
from rnncheck.core.run import Run
from rnncheck.core.verdict import Outcome
from rnncheck.judging.judge import judge
from rnncheck.report.causes import causes
from rnncheck.report.terminal import subject_table
from rnncheck.report.text import clean, failure_text
from rnncheck.running.trial import SubjectError, Trial
from tests.adapters.support import claimed
from tests.catalog.support import TORCH, killed, subject_of
from tests.mutants import MUTANTS
from tests.report.built import failing, report, verdict


class Narrow(nn.Module):
    """A layer whose own linear map gets the wrong number of features where there are two layers."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__()
        self.inner, self.map, self.num_layers = nn.GRU(input_size, hidden_size), nn.Linear(hidden_size, hidden_size), num_layers

    def forward(self, x, hx=None):
        output, h_n = self.inner(x)
        return self.map(output if self.num_layers == 1 else output[..., 1:]), h_n


def trial() -> Trial:
    return Trial(claimed(Narrow, against=nn.GRU), Case(Config("GRU", 2, 3), 4, 2))


def raised(of: Trial) -> str:
    try:
        of.returned  # noqa: B018
    except SubjectError as error:
        return str(error)
    return "nothing"


def test_a_follow_up_that_raises_says_which_layer_it_was():
    deeper = Config("GRU", 2, 3, num_layers=2)
    assert raised(trial()) == "nothing"
    assert raised(trial().but(config=deeper)).startswith(f"RuntimeError while calling {deeper}: ")
    assert raised(Trial(trial().subject, Case(deeper, 4, 2))).startswith("RuntimeError while calling: ")  # the case says it


def test_the_subjects_own_lines_are_told_and_not_torchs():
    subject = trial().subject
    outcome = judge(CATALOG["shape.output"], Trial(subject, Case(Config("GRU", 2, 3, num_layers=2), 4, 2)))
    assert outcome.status == "errored" and "in forward: return self.map" in (outcome.reason or "")
    assert "torch/nn/modules/linear.py" not in (outcome.reason or "")


def table(*verdicts) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(subject_table(report(*verdicts).subjects[0]))
    return console.export_text()


def test_what_other_cases_raised_is_one_line_for_all():
    seen = [verdict(property=f"time.p{n}", reason=f"{n + 2} more raised: see {', '.join('ab'[: 1 + n % 2])}") for n in range(5)]
    lines = [line for line in table(*seen).splitlines() if "raised" in line]
    assert [line.strip() for line in lines] == ["✓ 5 properties: other cases raised: see a, b"]


def test_wrong_numbers_are_told_before_wrong_input_that_is_accepted():
    told = causes([failing("reject.hx_size"), failing("time.split")])
    assert [cause.lead.property for cause in told] == ["time.split", "reject.hx_size"]


def test_colours_are_left_out_and_other_control_characters_shown_as_such():
    assert clean("\x1b[96mstep 1/3\x1b[0m\x07") == "step 1/3\N{REPLACEMENT CHARACTER}"


def test_a_truth_value_is_off_by_nothing():
    (line,) = identical("finite", torch.tensor([True, False]), torch.tensor([True, True])).mismatches()
    assert line.endswith("False, but should be True")


def test_a_case_of_which_nothing_can_be_said_does_not_mark_the_others():
    account = PropertyTally(CATALOG["time.split"])
    case = Case(Config("GRU", 2, 3), 4, 2)
    assert not account.enter(case, Outcome("time.split", "not_reached", reason="nothing can be said", undecided=True), ())
    assert account.enter(case, Outcome("time.split", "holds", 0.1), ())
    assert (account.missed, account.undecided, account.cases) == (None, "nothing can be said", 1)


# two results of the subject itself -----------------------------------------------------------------------------------


class Backwards(nn.LSTM):
    """Gives its outputs back in reverse order of time."""

    def forward(self, x, hx=None):
        output, state = super().forward(x, hx)
        return output.flip(0), state


class Crowded(nn.LSTM):
    """Never right, and wrong in another way for each size of the batch."""

    def forward(self, x, hx=None):
        output, state = super().forward(x, hx)
        return output * (1 + x.shape[1]), state


def told(layer: type[nn.Module], prop: str) -> str:
    """The first line of what a property has against a layer like torch.nn.LSTM on a plain case."""
    outcome = judge(CATALOG[prop], Trial(claimed(layer, against=nn.LSTM), Case(Config("LSTM", 2, 3), 4, 3, training=True)))
    assert outcome.status == "fails", outcome
    return outcome.mismatches[0]


def test_of_two_runs_it_is_told_what_they_are_and_which_is_right():
    line = told(Backwards, "time.step_by_step")
    assert "should be" not in line and " step by step, but " in line and " in one call; off by " in line
    assert line.endswith("(step by step)")
    truth = Trial(claimed(Backwards, against=nn.LSTM), Case(Config("LSTM", 2, 3), 4, 3)).truth.output
    assert any(f"right: {value:.6g} (" in line for value in truth.flatten().tolist())


def test_where_both_runs_are_wrong_neither_is_right():
    assert told(Crowded, "batch.alone").endswith("(neither)")


def test_of_two_parts_of_one_run_it_is_told_which_is_right():
    line = told(Backwards, "state.is_last_output")
    assert " in h_n, but " in line and line.endswith("(in h_n)")


def test_gradients_of_two_runs_are_told_like_the_runs():
    assert " in the batch, but " in (line := told(Crowded, "batch.gradient_alone")) and line.endswith("(neither)")


def test_what_the_equations_say_is_what_a_number_should_be():
    assert ", but should be " in told(Backwards, "agree.forward")


def test_where_the_equations_are_not_known_nothing_is_said_to_be_right():
    two = Run(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)), Run(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
    (line,) = both(*two, 0.5, sides=("now", "before")).mismatches()
    assert line.endswith("0 now, but 1 before; off by 1, allowed 0.5")


def test_two_runs_that_are_right_but_for_rounding_are_both_right():
    sides = Origins("now", "before", torch.tensor([0.60828312]), torch.tensor([1e-6]))
    (line,) = identical("h", torch.tensor([0.6082831]), torch.tensor([0.6082832]), sides=sides).mismatches()
    assert line.endswith("allowed none (must be equal); right: 0.6082831 (both, within rounding)")


def test_what_is_right_is_not_asked_where_a_property_holds(monkeypatch):
    monkeypatch.setattr(Trial, "budget", property(lambda trial: 1 / 0))
    assert judge(CATALOG["mode.repeatable"], Trial(TORCH["GRU"], Case(Config("GRU", 2, 3), 4, 2))).status == "holds"


# numbers -------------------------------------------------------------------------------------------------------------


def test_numbers_are_shown_with_as_many_digits_as_it_takes_to_tell_them_apart():
    (line,) = identical("y", torch.tensor(1.4651612), torch.tensor(1.4651613)).mismatches()
    assert line.startswith("y: 1.4651612, but should be 1.4651613; off by 1.19e-07")
    one, other = (torch.tensor(value, dtype=torch.float64) for value in (0.1, 0.1 + 2**-56))
    (line,) = identical("y", one, other).mismatches()
    assert line.startswith("y: 0.10000000000000001, but should be 0.10000000000000002; off by 1.39e-17")


def test_an_end_of_an_interval_is_told_as_one():
    line, below = (within("h", torch.tensor(value), -1.0, 1.0).mismatches()[0] for value in (1.5, -2.0))
    assert line.startswith("h: 1.5, but should be at most 1;") and below.startswith("h: -2, but should be at least -1;")
    assert within("h", torch.tensor(torch.nan), -1.0, 1.0).mismatches() == ["h: nan, but should be at most 1"]


def test_a_single_number_is_at_no_place():
    (line,) = near("norm", torch.tensor(2.0), torch.tensor(1.0), 0.5).mismatches()
    assert line == "norm: 2, but should be 1; off by 1, allowed 0.5"


# what is wrong -------------------------------------------------------------------------------------------------------


def lines_of(prop: str, mutant: str) -> list[str]:
    found = killed(CATALOG[prop], subject_of(MUTANTS[mutant]))
    assert found is not None
    return list(found[1].mismatches)


def test_a_gradient_that_is_no_difference_names_its_parameters():
    lines = lines_of("gradient.numerical", "weight-grad-uses-ht")
    assert lines and all("of weight_hh_l" in line and " by backward, but " in line for line in lines)


def test_a_dropout_mask_that_is_wrong_names_its_layer():
    lines = lines_of("mode.dropout_between_layers", "mask-not-resampled")
    assert lines == ["equal masks in two calls, in h_n of layer 1 = 684 of 684, but should be about 342, by chance"]


def test_a_dropout_mask_that_is_wrong_names_its_direction():
    mask = torch.ones(1, 300, 2, 4, dtype=torch.bool)
    mask[..., 0, :] = torch.arange(1200).reshape(1, 300, 4) % 2 == 0
    (counts,) = shares({"output": mask}, "first call", {"output": 0.5})
    found, should = ({what: chance_says(*count)[place] for what, count in counts.items()} for place in (0, 1))
    (line,) = as_chance_has_it(found, should).mismatches()
    assert line == "values kept in output, first call, reverse = 1200 of 1200, but should be about 600, by chance"


# what was called -----------------------------------------------------------------------------------------------------


class Uncallable(nn.GRU):
    """A copy of it has lost what its call needs."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = [0]

    def __deepcopy__(self, memo):
        twin = type(self)(self.input_size, self.hidden_size)
        twin.load_state_dict(self.state_dict())
        del twin.calls
        return twin

    def forward(self, x, hx=None):
        self.calls[0] += 1
        return super().forward(x, hx)


def reason_of(prop: str) -> str:
    return judge(CATALOG[prop], Trial(claimed(Uncallable, against=nn.GRU), Case(Config("GRU", 2, 3), 4, 2))).reason or ""


def test_an_error_of_a_copy_says_that_it_was_the_copy():
    assert reason_of("life.copied").startswith("AttributeError while calling the deep copy: ")


def test_an_error_in_a_life_says_what_was_done_before():
    reason = reason_of("life.machine")
    assert reason.startswith("AttributeError while calling the layer (done so far: ") and "deepcopy" in reason.splitlines()[0]


# little things --------------------------------------------------------------------------------------------------------


def test_a_place_without_names_of_axes_is_an_index():
    (line,) = identical("g", torch.zeros(2, 3), torch.tensor([[0.0, 0, 0], [0, 1, 0]])).mismatches()
    assert line.startswith("g: 1 of 6 elements differ; worst at [1, 1]: 0, but should be 1;")


def test_nothing_equals_two_things():
    (line,) = fact("max_norm = -1.0", False, "accepted", "refused").mismatches()
    assert line == "max_norm = -1.0: accepted, but should be refused"
    assert fact("dtype", False, "float32", "float64").mismatches() == ["dtype = float32, but should be float64"]


def test_of_what_a_call_has_changed_only_that_is_told():
    found = lines_of("layout.no_mutation", "own-input-requires-grad")
    whens = ("", ", NaN in the input", ", in inference mode")
    assert found == [f"requires_grad of input{when} = True, but should be False" for when in whens]


def test_one_more_line_is_one_line():
    told = failure_text("mine", failing("time.split", mismatch="\n".join("abcde")))
    assert "(1 more line like these)" in told and "(2 more lines like these)" in failure_text(
        "mine", failing("time.split", mismatch="\n".join("abcdef"))
    )
