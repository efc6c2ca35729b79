"""The stub that is shown for a function without types works as it stands: its weights are arguments."""

import pytest
import torch

from rnncheck.adapters.targets import resolve
from rnncheck.errors import UsageError
from tests.adapters.support import claimed
from tests.mutants.search import first_kill

TELLING = ("time.*", "batch.*", "gradient.reach", "state.*")


def lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh):
    h, c, ys = h0, c0, []
    for x_t in x:
        i, f, g, o = (x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        ys.append(h)
    return torch.stack(ys), (h, c)


def elman(xs, h, W, U, b):
    ys = []
    for t in range(xs.shape[1]):
        h = torch.tanh(xs[:, t] @ W + h @ U + b)
        ys.append(h)
    return torch.stack(ys, 1), h


def gru(inputs, state, Wx, Wh, b_x, b_h):
    ys = []
    for t in range(len(inputs)):
        r, z, n = (inputs[t] @ Wx + b_x).chunk(3, 1)
        hr, hz, hn = (state @ Wh + b_h).chunk(3, 1)
        z = (z + hz).sigmoid()
        state = (1 - z) * torch.tanh(n + (r + hr).sigmoid() * hn) + z * state
        ys.append(state)
    return torch.stack(ys), state


def old_cell(x, h0, c0, w_ih, w_hh, b_ih, b_hh):
    h, c, ys = h0, c0, []
    for x_t in x:
        i, f, g, o = (x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, -1)
        h, c = o.sigmoid() * c.tanh(), f.sigmoid() * c0 + i.sigmoid() * g.tanh()
        ys.append(h)
    return torch.stack(ys), (h, c)


def kill_with_the_stub(function, folder):
    with pytest.raises(UsageError, match="is a function without types") as told:
        resolve.subjects(function)
    imports, _, stub = str(told.value).partition("--typed: ")[2].partition("; ")
    file = folder / f"{function.__name__}_stub.py"
    file.write_text(f"from torch import Tensor\n{imports}\n{stub}\n")
    subject = claimed(function, typed=f"{file}:{function.__name__}")
    return first_kill(subject, 4, TELLING, strict=False)


@pytest.mark.parametrize("function", [lstm, elman, gru], ids=lambda function: function.__name__)
def test_a_right_function_holds_with_the_stub(function, tmp_path):
    kill = kill_with_the_stub(function, tmp_path)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_a_mistake_is_red_with_the_stub(tmp_path):
    assert kill_with_the_stub(old_cell, tmp_path) is not None
