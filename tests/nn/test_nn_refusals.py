"""What the layers refuse: torch.nn's exception types, and messages that name what was expected and what came."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import rnncheck.nn
from rnncheck.typechecked import checking
from tests.nn.twins import HIDDEN, INPUT, assert_alike, seeded

X, H = torch.ones(5, 4, INPUT), torch.ones(2, 4, HIDDEN)


def packed(lengths: list[int], *features: int) -> PackedSequence:
    return pack_sequence([torch.ones(n, *features) for n in lengths])


def packed_by_hand(steps: int, batch_sizes: list[int]) -> PackedSequence:
    return PackedSequence(torch.ones(steps, INPUT), torch.tensor(batch_sizes, dtype=torch.int64))


BAD_CALLS = {
    "input size": (torch.ones(5, 4, 7), "none", r"size\(-1\) = 7, but should be input_size = 3"),
    "input size, with hx": (torch.ones(5, 4, 7), H, "7, but should be input_size = 3"),
    "rank 1": (torch.ones(5), "none", r"dim\(\) = 1, but should be 3, or 2"),
    "rank 4": (torch.ones(5, 4, 3, 1), "none", r"dim\(\) = 4"),
    "dtype": (X.double(), "none", "float64, but should be that of the weights, torch.float32"),
    "integers": (X.long(), "none", "int64"),
    "device": (X.to("meta"), "none", "meta, but should be that of the weights, cpu"),
    "no time": (X[:0], "none", "length is 0"),
    "no time, unbatched": (X[:0, 0], "none", "length is 0"),
    "hx layers": (X, H[:1], r"\(1, 4, 6\), but should be \(2, 4, 6\)"),
    "hx batch of one": (X, H[:, :1], r"\(2, 1, 6\), but should be \(2, 4, 6\)"),
    "hx features": (X, H[..., :5], r"\(2, 4, 5\), but should be \(2, 4, 6\)"),
    "hx rank 2": (X, H[:, 0], r"\(2, 6\), but should be \(2, 4, 6\)"),
    "hx rank 4": (X, H[..., None], r"\(2, 4, 6, 1\), but should be"),
    "hx batched, input not": (X[:, 0], H[:, :1], r"\(2, 1, 6\), but should be \(2, 6\)"),
    "hx dtype": (X, H.double(), "float64, but should be torch.float32"),
    "hx device": (X, H.to("meta"), "on meta, but should be on cpu"),
    "packed input size": (packed([5, 3], 7), "none", "7, but should be input_size = 3"),
    "packed rank": (packed([5]), "none", r"dim\(\) = 1, but should be 2"),
    "packed hx batch": (packed([5, 3], INPUT), H[:, :1], r"\(2, 1, 6\), but should be \(2, 2, 6\)"),
    "packed hx features": (packed([5, 3], INPUT), H[:, :2, :5], r"\(2, 2, 5\), but should be \(2, 2, 6\)"),
    "batch sizes growing": (packed_by_hand(4, [1, 2, 1]), "none", r"batch_sizes = \[1, 2, 1\]"),
}  # fmt: skip
STRICTER = {  # torch.nn runs on, or stumbles over an attribute
    # torch 2.13, float32 LSTM on the CPU, equal lengths: it reads beyond the input and returns what lies there
    "packed input size, equal lengths": (packed([5], 7), "none", RuntimeError, "be input_size = 3"),
    "batch sizes short": (packed_by_hand(5, [2, 1, 1]), "none", RuntimeError, "sum to 5"),
    "batch size 0": (packed_by_hand(4, [2, 2, 0]), "none", RuntimeError, "positive"),
    "no batch sizes": (packed_by_hand(0, []), "none", RuntimeError, "positive"),
    "no tensor": ([[1.0]], "none", TypeError, "input is a list, but should be a Tensor"),
    "hx no tensor": (X, 1.0, TypeError, "is a float, but should be a Tensor"),
}  # fmt: skip


def layer_of(package, name: str):
    return seeded(0, lambda: getattr(package, name)(INPUT, HIDDEN, 2))


def called_badly(layer, input, h) -> None:
    """Calls with a state of two h where the layer wants a pair; whatever happens, the parameters stay."""
    hx = None if isinstance(h, str) else (h, h) if "LSTM" in type(layer).__name__ else h
    before = [p.clone() for p in layer.parameters()]
    try:
        layer(input, hx)
    finally:
        assert_alike(layer.parameters(), before, atol=0)


@pytest.mark.parametrize("bad", BAD_CALLS)
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_bad_input_is_refused_as_torch_refuses_it(name, bad):
    input, h, message = BAD_CALLS[bad]
    with pytest.raises(Exception) as theirs:  # noqa: PT011 (the type is what is asked for)
        called_badly(layer_of(torch.nn, name), input, h)
    expected = theirs.type
    if name == "LSTM" and bad.startswith("packed") or bad == "dtype":
        expected = (RuntimeError, ValueError)  # torch's packed LSTM checks nothing: a product fails somewhere below
    with pytest.raises(expected, match=message):
        called_badly(layer_of(rnncheck.nn, name), input, h)


@pytest.mark.parametrize("bad", STRICTER)
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_bad_input_that_torch_lets_through_is_refused_too(name, bad):
    input, h, error, message = STRICTER[bad]
    with pytest.raises(error, match=message):
        called_badly(layer_of(rnncheck.nn, name), input, h)


@pytest.mark.parametrize("hx", [H, (H,), (H, H, H), (H, None), (None, H), (H, H[..., :5]), (H, H.double())])
def test_an_lstm_wants_a_pair(hx):
    with pytest.raises((RuntimeError, TypeError), match="hx is a|c_0 is|h_0 is"):
        layer_of(rnncheck.nn, "LSTM")(X, hx)
    layer_of(rnncheck.nn, "LSTM")(X, [H, H])


@pytest.mark.parametrize("name", ["RNN", "GRU"])
def test_the_others_want_a_tensor(name):
    with pytest.raises(TypeError, match="hx is a tuple"):
        layer_of(rnncheck.nn, name)(X, (H, H))


BAD_ARGUMENTS = [
    {"input_size": 0}, {"input_size": 2.0}, {"hidden_size": -1}, {"hidden_size": "6"}, {"num_layers": 0},
    {"num_layers": 1.5}, {"dropout": -0.1}, {"dropout": 1.1}, {"dropout": float("nan")}, {"dropout": True},
    {"dropout": "much"}, {"dropout": None}, {"bias": 1}, {"batch_first": None}, {"proj_size": -1}, {"proj_size": 6},
    {"proj_size": 0.5}, {"nonlinearity": "selu"}, {"dtype": torch.int64}, {"dtype": "float32"}, {"colour": "red"},
    {"device": "nowhere"},
]  # fmt: skip


NOT_REFUSED_BY_OLDER_TORCH = {"input_size": ValueError, "bias": TypeError, "batch_first": TypeError}
"""What torch 2.6 builds a layer with, and how a newer torch refuses it."""


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("bad", BAD_ARGUMENTS, ids=str)
def test_bad_arguments_are_refused_as_torch_refuses_them(name, bad):
    arguments = {"input_size": INPUT, "hidden_size": HIDDEN, **bad}
    try:
        getattr(torch.nn, name)(**arguments)
    except Exception as error:
        theirs = type(error)
    else:
        theirs = NOT_REFUSED_BY_OLDER_TORCH[next(iter(bad))]
    with pytest.raises(theirs):
        getattr(rnncheck.nn, name)(**arguments)


def test_the_checks_of_shape_stay_when_the_type_checks_are_off():
    with checking(False), pytest.raises(RuntimeError, match="should be input_size"):
        layer_of(rnncheck.nn, "GRU")(torch.ones(5, 4, 7))
