"""What is compared: complex numbers as they are."""

import torch

from rnncheck.core.observation import near


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
