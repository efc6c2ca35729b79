"""How well a state goes in that does not come back, and which of two parts goes in as c."""

import pytest
import torch

from rnncheck.reading.calls.experiment import Sizes, example
from rnncheck.reading.carries import taken, takes_as_h_and_c

SIZES = Sizes(4, 4)


@pytest.mark.parametrize(("read", "value"), [
    (lambda state: state[0], 0.3),
    (lambda state: 0 * state[0], 0.1),
    (lambda state: state[0].roll(1, 0), -1.0),
    (lambda state: state[0].mean(0), -1.0),
], ids=["each row of it moves its own", "it moves nothing", "it moves the next row", "it moves all rows"])  # fmt: skip
def test_each_row_is_to_move_its_own(read, value):
    x = example(SIZES.input, 1)
    assert taken(lambda x, state: (x + read(state), ()), x, x, SIZES) == value


def lstm_like(x, state, kept=1):
    """One step: the kept part is damped, the other one goes through a gate."""
    bounded, large = state[1 - kept], state[kept]
    after = [torch.tanh(bounded + x[-1].sum()), 0.5 * large]
    return x, tuple(after if kept else after[::-1])


@pytest.mark.parametrize(("step", "value"), [
    (lstm_like, True),
    (lambda x, state: (x, lstm_like(x, state)[1][::-1]), True),
    (lambda x, state: lstm_like(x, state, kept=0), False),
    (lambda x, state: (x, tuple(map(torch.tanh, state))), False),
    (lambda x, state: (x, state), False),
], ids=["the second is kept", "and comes back first", "the first is kept", "neither", "both"])  # fmt: skip
def test_the_part_that_is_kept_goes_in_as_c(step, value):
    x = example(SIZES.input, 1)
    final = tuple(torch.rand(2, 1, x.shape[1], 4).double() + 0.5)
    assert takes_as_h_and_c(step, x, final) == value
