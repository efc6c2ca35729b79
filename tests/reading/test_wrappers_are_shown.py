"""What is refused comes with the code of a wrapper, which works as it is pasted."""

import inspect

import pytest
import torch
from torch import nn

import rnncheck
from tests.effort import some
from tests.reading import refused
from tests.strangers import embedding, lengths, stateful
from tests.strangers.hunted import kill_of, subject_of

STRANGERS = (lengths.PackedInPackedOut, stateful.TutorialTagger)
OPTIONS = {"properties": "time.split", "engine": "inline", "budget": 200, "max_examples": 2}


class RowsOfWeights(embedding.OneHotRNN):
    """Token ids that choose rows of a parameter, in place of a product with one-hot vectors."""

    def forward(self, X, H=None):
        H = self.W_xh.new_zeros(len(X), self.W_hh.shape[0]) if H is None else H
        outputs = []
        for X_t in self.W_xh[X.T]:
            H = torch.tanh(X_t + H @ self.W_hh + self.b_h)
            outputs.append(H)
        return torch.stack(outputs), H


def shown(target) -> str:
    with pytest.raises(rnncheck.UsageError) as told:
        rnncheck.verify(target, **OPTIONS)
    line, _, code = str(told.value).partition("\n\n")
    assert "this wrapper is read: wrapped.py, then rnncheck verify wrapped.py:Wrapped" in line
    return code


@pytest.mark.parametrize("layer", some([*refused.REFUSED, *STRANGERS], 5), ids=lambda layer: layer.__name__)
def test_the_code_works_as_it_is_pasted(layer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrapped.py").write_text(shown(layer))
    subject = subject_of("wrapped.py:Wrapped")
    assert subject.offers("batched")
    kill = kill_of(subject, cases=3)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_the_target_may_be_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packed_lstm.py").write_text(inspect.getsource(refused))
    (tmp_path / "wrapped.py").write_text(shown("packed_lstm.py:PackedLSTM"))
    assert kill_of(subject_of("wrapped.py:Wrapped"), cases=2) is None


CUT = (lengths.PackedInPackedOut2, refused.CutOff, refused.PyramidCut, refused.PyramidOfLengthsCut, refused.SlotMemoryCut)


@pytest.mark.parametrize("layer", some(CUT, 3), ids=lambda layer: layer.__name__)
def test_a_mistake_of_the_layer_is_red_behind_the_wrapper(layer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrapped.py").write_text(shown(layer))
    assert kill_of(subject_of("wrapped.py:Wrapped"), cases=3) is not None


def test_what_no_wrapper_is_known_for_is_shown_one_to_fill_in():
    with pytest.raises(rnncheck.UsageError, match="fill in the dots of this wrapper") as told:
        rnncheck.verify(RowsOfWeights, **OPTIONS)
    assert "self.layer = RowsOfWeights(vocab_size=11, num_hiddens=hidden_size)" in str(told.value)
    assert "# it is called as forward(X, H=None); hx" in str(told.value)


class OfTwoObjects(nn.Module):
    """Neither argument is a size."""

    def __init__(self, options, shape):
        super().__init__()
        self.cell = nn.GRUCell(options["width"].total(), shape.count())


def test_a_constructor_of_several_objects_is_left_open():
    with pytest.raises(rnncheck.UsageError, match=r"self\.layer = OfTwoObjects\(\.\.\.\)"):
        rnncheck.verify(OfTwoObjects, **OPTIONS)


class CallsAnOldTorch(nn.Module):
    """A cell that is called as cells are, and asks torch for what it does not have."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, hx):
        h, c = hx
        return torch.split(self.both(torch.cat([x, h * c], -1)), split_size=1)


def test_the_reason_is_what_a_call_with_a_state_raises():
    with pytest.raises(rnncheck.UsageError, match="got an unexpected keyword argument 'split_size'"):
        rnncheck.verify(CallsAnOldTorch, kind="cell", **OPTIONS)


class CellOfAMatrix(nn.Module):
    """One step a call, with a matrix for each row as one long vector."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.q, self.k, self.v = (nn.Linear(input_size, hidden_size) for _ in range(3))

    def forward(self, x, memory=None):
        rows, size = len(x), self.hidden_size
        memory = x.new_zeros(rows, size, size) if memory is None else memory.view(rows, size, size)
        memory = 0.5 * memory + self.k(x)[:, :, None] * self.v(x)[:, None]
        return (self.q(x)[:, None] @ memory).squeeze(1), memory.flatten(1)


Wrapped = type("Wrapped", (CellOfAMatrix,), {"__module__": __name__})


@pytest.mark.parametrize("layer", [CellOfAMatrix, Wrapped])
def test_a_wrapper_that_takes_single_steps_is_none(layer):
    """It was said to be read, and refused in turn; where the layer is called as the wrapper is, the wrapper held itself."""
    with pytest.raises(rnncheck.UsageError) as told:
        rnncheck.verify(layer, **OPTIONS)
    assert "this wrapper is read" not in str(told.value)
