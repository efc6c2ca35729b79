"""What a constructor refuses is not claimed, and no case asks for it."""

from itertools import islice

import pytest
import torch

from rnncheck.core.config import Config
from rnncheck.core.subject import NotClaimed
from rnncheck.strategies.plan import plan
from tests.reading.other_ways import OfHeads, OfTheRest
from tests.strangers.hunted import subject_of

CPU = torch.device("cpu")


def test_an_option_that_is_lost_in_keywords_is_not_claimed():
    subject = subject_of(OfTheRest)
    with pytest.raises(NotClaimed, match="the constructor takes no num_layers"):
        subject.build(Config("GRU", 2, 3, num_layers=2, batch_first=True), torch.float32, CPU)


def test_every_planned_case_has_sizes_that_are_taken():
    subject = subject_of(OfHeads)
    cases = list(islice(plan(subject, ("float32",), 2, 0), 120))
    assert {case.config.hidden_size % 4 for case in cases} == {0}
    assert len({case.config.hidden_size for case in cases}) > 2


def test_a_size_that_is_refused_is_not_claimed():
    subject = subject_of(OfHeads)
    with pytest.raises(NotClaimed, match="takes a hidden_size that is a multiple of 4"):
        subject.build(Config("GRU", 2, 3), torch.float32, CPU)
    assert "hidden_size that is no multiple of 4" in subject.read_as
