"""The lines of a script of calls build layers as the check did."""

import torch
from torch import nn

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import Observation
from rnncheck.repro.calls import Recorded
from rnncheck.repro.events import Event, as_results

CONFIG = Config("GRU", 2, 3)
BUILT = (CONFIG, torch.float32, torch.device("cpu"))


def built(own_start):
    """The weights of three layers, of which each is built from the seed 5, as a script has them."""
    events = [
        event for n in (1, 2, 3) for event in (Event("build", n, BUILT, seed=5), Event("call", n, (torch.ones(1, 1, 2), None)))
    ]
    made = Recorded(events, Observation(), None, {}, own_start=own_start)
    names = {"torch": torch, "tensor": torch.tensor, "build": nn.GRU, "call": lambda layer, *given: layer(given[0])}
    torch.manual_seed(5)
    exec("\n".join(made.lines(Case(CONFIG, 1, 1, seed=5), None, ["output_6"], None)), names)
    return [names[f"layer_{n}"].weight_hh_l0 for n in (1, 2, 3)], torch.rand(1)


def test_layers_that_keep_their_first_numbers_begin_alike():
    (one, two, three), _ = built(own_start=True)
    assert torch.equal(one, two) and torch.equal(one, three)


def test_and_the_random_numbers_of_the_rest_stay_as_they_are():
    _, after = built(own_start=True)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


def test_what_a_right_layer_does_otherwise_there_leaves_the_arguments_as_they_are():
    """It may do less, so that another event stands in this place."""
    given = (torch.ones(1), None)
    assert as_results(given, {"output_1": torch.zeros(1)}, ((torch.ones(1),), {})) == given
