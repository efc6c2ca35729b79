"""What one test's layers do to torch's settings is undone before the next."""

import pytest

from rnncheck.backend.torch_state import preserved


@pytest.fixture(autouse=True)
def settings_are_put_back():
    with preserved():
        yield
