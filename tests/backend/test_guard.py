"""torch's global flags are put back, each of them, and its random numbers too."""

import pytest
import torch

from rnncheck.backend.torch_state import FLAGS, flags, preserved

OTHERS = {
    "default device": torch.device("meta"),
    "default dtype": torch.float64,
    "deterministic algorithms": (True, True),
    "threads": 3,
    "float32 matmul precision": "medium",
}


def another(name, value):
    if name.endswith("fp32_precision"):
        return "tf32" if value != "tf32" else "ieee"
    return OTHERS.get(name, not value)


@pytest.mark.parametrize("name", FLAGS)
def test_each_flag(name):
    before = flags()
    with preserved():
        FLAGS[name][1](another(name, before[name]))
        assert flags()[name] == another(name, before[name])
    assert flags() == before


def test_all_at_once_and_through_an_exception():
    before = flags()
    with pytest.raises(ZeroDivisionError), preserved():
        for name in FLAGS:
            FLAGS[name][1](another(name, before[name]))
        raise ZeroDivisionError
    assert flags() == before


def test_random_numbers():
    state = torch.default_generator.get_state()
    with preserved():
        torch.manual_seed(7)
        torch.rand(3)
    assert torch.equal(torch.default_generator.get_state(), state)
