"""Where the numbers of a comparison come from, of several places that have the same number."""

from functools import partial

import torch

from rnncheck.core.observation import Observation, near
from rnncheck.core.subject import NotClaimed
from rnncheck.repro.calls import Recorded
from rnncheck.repro.events import Event
from rnncheck.repro.places import numbers_apart

RESULTS = {"output_1": torch.ones(2, 1, 1), "output_2": torch.zeros(2, 1, 1)}
"""Two calls, each with the same number in both steps."""


def last_steps(moved=None):
    """A check of the last step of both calls, of which it is given one number otherwise."""
    given = {name: value.clone() for name, value in RESULTS.items()}
    if moved is not None:
        given[moved[0]][moved[1]] += 1
    return near("last output", given["output_1"][-1], given["output_2"][-1], 0.1)


def recorded(again):
    return Recorded([Event("call", 1, values=RESULTS)], last_steps(), None, {}, again=again)


def found(made):
    return numbers_apart(made.seen.parts[0], RESULTS, None, made.comes_from)


def test_the_number_that_was_compared_is_named():
    made = recorded(lambda place: Recorded([], last_steps(place), None, {}))
    assert found(made) == (("output_1", (1, 0, 0)), ("output_2", (1, 0, 0)))


def test_where_the_property_says_nothing_of_another_number_the_first_place_is_named():
    def refused(place):
        raise NotClaimed("its numbers grow")

    assert found(recorded(refused)) == found(recorded(None)) == (("output_1", (0, 0, 0)), ("output_2", (0, 0, 0)))


def test_where_other_things_are_compared_then_the_first_place_is_named():
    other = partial(Recorded, [], Observation(), None, {})
    assert found(recorded(lambda place: other())) == (("output_1", (0, 0, 0)), ("output_2", (0, 0, 0)))
