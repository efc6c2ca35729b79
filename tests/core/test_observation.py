"""What is compared: complex numbers as they are."""

import torch
from torch import Tensor

from rnncheck.core.observation import both, near
from rnncheck.core.run import Run


def test_the_imaginary_part_counts():
    seen = near("state", torch.tensor([1 + 2j, 1]), torch.tensor([1 + 3j, 1]), 0.5, ("unit",))
    assert not seen.holds
    assert seen.mismatches() == [
        "state: 1 of 2 elements differ; worst at (unit=0): 1+2j, but should be 1+3j; off by 1, allowed 0.5"
    ]


def test_complex_numbers_that_are_close_hold():
    assert near("state", torch.tensor([1 + 2j]), torch.tensor([1 + 2.25j]), 0.5).holds


def test_numbers_alone_are_the_same_bit_for_bit():
    """Where nothing is a number there is nothing to agree, and the tolerance is asked whether anything can be said."""
    nothing = torch.tensor([torch.nan])
    assert near("x", nothing, nothing.clone(), 0.0).holds and not near("x", nothing, nothing.clone(), 0.0).same_bits
    assert near("x", torch.ones(1), torch.ones(1), 0.0).same_bits


def test_what_is_dear_is_computed_only_where_two_are_not_the_same():
    one, other, asked = torch.ones(2, 1, 1), torch.full((2, 1, 1), 1.5), []

    def allowed(by: float) -> Tensor:
        asked.append(by)
        return torch.full((2, 1, 1), by)

    assert near("x", one, one.clone(), lambda: allowed(1.0)).holds and not asked
    assert near("x", one, other, lambda: allowed(1.0)).holds and not near("x", one, other, lambda: allowed(0.1)).holds
    same, moved = Run(one, one), Run(one, other)
    assert asked == [1.0, 0.1] and both(same, Run(one.clone(), one), lambda: Run(allowed(1.0), allowed(1.0))).holds
    assert asked == [1.0, 0.1] and both(same, moved, lambda: Run(allowed(1.0), allowed(1.0))).holds
    assert not both(same, moved, lambda: Run(allowed(0.1), allowed(0.1))).holds
