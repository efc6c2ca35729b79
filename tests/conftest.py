"""What one test's layers do to torch's settings is undone before the next; on one thread, the fastest for small tensors."""

import pytest
import torch

from rnncheck.backend.torch_state import preserved

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def settings_are_put_back():
    with preserved():
        yield
