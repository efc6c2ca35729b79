"""What depends on what in a function of a sequence."""

import torch

from rnncheck.reading.calls.dependency import dependency

X = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def middle_looks_ahead(x):
    """Three features, the second of the step behind."""
    ahead = torch.cat([x[1:], x[:1]])
    return torch.stack([x.sum(-1), ahead.sum(-1), x.prod(-1)], -1)


def both_ways(x):
    """A sum of what was, and one of what is to come."""
    return torch.cat([x.cumsum(0), x.flip(0).cumsum(0).flip(0)], -1)


def test_a_feature_in_the_middle_of_an_odd_number_is_seen():
    assert dependency(middle_looks_ahead, X).forward < 1.0


def test_two_directions_side_by_side_are_not_everywhere():
    assert not dependency(both_ways, X).everywhere
    assert dependency(lambda x: both_ways(x).flip(-1), X).everywhere
    assert dependency(lambda x: both_ways(x).sum(-1, keepdim=True), X).everywhere


def test_a_second_half_that_is_turned_once_is_a_direction():
    for wrong in (lambda x: x.flip(0).cumsum(0), lambda x: x.cumsum(0).flip(0)):
        seen = dependency(lambda x, wrong=wrong: torch.cat([x.cumsum(0), wrong(x)], -1), X)
        assert seen.two_ways and seen.both < 1.0
    assert not dependency(lambda x: torch.cat([x.cumsum(0), x.cumsum(0)], -1), X).two_ways


def test_one_half_alone_may_be_of_a_direction():
    assert dependency(lambda x: torch.cat([x.cumsum(0), x + x.sum(0)], -1), X).half
    assert not dependency(both_ways, X).half
    assert not dependency(lambda x: torch.cat([x, x], -1) + x.sum(), X).half
