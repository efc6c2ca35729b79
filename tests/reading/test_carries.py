"""How well a state goes in that does not come back."""

import pytest
import torch

from rnncheck.reading.calls.experiment import BATCH, TIME, Sizes
from rnncheck.reading.carries import taken

SIZES = Sizes(4, 4)


@pytest.mark.parametrize(("read", "value"), [
    (lambda state: state[0], 0.3),
    (lambda state: 0 * state[0], 0.1),
    (lambda state: state[0].roll(1, 0), -1.0),
    (lambda state: state[0].mean(0), -1.0),
], ids=["each row of it moves its own", "it moves nothing", "it moves the next row", "it moves all rows"])  # fmt: skip
def test_each_row_is_to_move_its_own(read, value):
    x = torch.randn(TIME, BATCH, SIZES.input, dtype=torch.float64)
    assert taken(lambda x, state: (x + read(state), ()), x, x, SIZES) == value
