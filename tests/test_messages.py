"""What a person reads: which layer raised, in whose lines, what is told first, and how little it takes to say it."""

import io

import torch
from rich.console import Console
from torch import nn

from rnncheck.case import Case
from rnncheck.catalog import CATALOG
from rnncheck.config import Config
from rnncheck.docket import Account
from rnncheck.judge import judge
from rnncheck.observation import identical
from rnncheck.report.terminal import failures_of, subject_table
from rnncheck.report.text import clean
from rnncheck.trial import SubjectError, Trial
from rnncheck.verdict import Outcome
from tests.adapters.test_probe import claimed
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
    console.print(subject_table(report(*verdicts).subjects[0], verbose=False))
    return console.export_text()


def test_what_other_cases_raised_is_one_line_for_all():
    seen = [verdict(property=f"time.p{n}", reason=f"{n + 2} more raised: see {', '.join('ab'[: 1 + n % 2])}") for n in range(5)]
    lines = [line for line in table(*seen).splitlines() if "raised" in line]
    assert [line.strip() for line in lines] == ["✓ 5 properties: other cases raised: see a, b"]


def test_wrong_numbers_are_told_before_wrong_input_that_is_accepted():
    told = failures_of(report(failing("reject.hx_size"), failing("time.split")).subjects[0])
    assert [message.split()[0] for message in told] == ["time.split", "reject.hx_size"]


def test_colours_are_left_out_and_other_control_characters_shown_as_such():
    assert clean("\x1b[96mstep 1/3\x1b[0m\x07") == "step 1/3\N{REPLACEMENT CHARACTER}"


def test_a_truth_value_is_off_by_nothing():
    (line,) = identical("finite", torch.tensor([True, False]), torch.tensor([True, True])).mismatches()
    assert line.endswith("False, but should be True")


def test_a_case_of_which_nothing_can_be_said_does_not_mark_the_others():
    account = Account(CATALOG["time.split"])
    case = Case(Config("GRU", 2, 3), 4, 2)
    assert not account.enter(case, Outcome("time.split", "not_reached", reason="nothing can be said", undecided=True), ())
    assert account.enter(case, Outcome("time.split", "holds", 0.1), ())
    assert (account.missed, account.undecided, account.cases) == (None, "nothing can be said", 1)
