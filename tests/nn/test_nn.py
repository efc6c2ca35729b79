"""RNN, GRU and LSTM against torch.nn's over the whole constructor and every layout: values, gradients, parameters."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import rnncheck.nn
from tests.effort import some
from tests.nn.twins import (
    BATCH,
    FLAGS,
    HIDDEN,
    INPUT,
    KINDS,
    LAYOUTS,
    TIME,
    assert_alike,
    draw,
    flat,
    loss,
    seeded,
    situation,
    twins,
)


@pytest.mark.parametrize("with_state", [False, True], ids=["hx=None", "hx"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_layers", some([2, 1], 2))
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_torchs(kind, num_layers, layout, with_state):
    for flags in itertools.product(*FLAGS.values()):
        theirs, ours = twins(kind, num_layers=num_layers, **dict(zip(FLAGS, flags, strict=True)))
        leaves, input, hx = situation(theirs, layout, with_state)
        expected, actual = theirs(input, hx), ours(input, hx)
        assert_alike(flat(actual), flat(expected), atol=1e-13)
        assert [t.stride() for t in flat(actual)] == [t.stride() for t in flat(expected)]
        expected = torch.autograd.grad(loss(expected), [*leaves, *theirs.parameters()], retain_graph=True)
        actual = torch.autograd.grad(loss(actual), [*leaves, *ours.parameters()])
        assert_alike(actual, expected, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    sizes=st.tuples(*[st.integers(1, 9)] * 2),
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    packed=st.booleans(),
    scale=st.sampled_from([0.0, 1.0, 30.0]),
    seed=st.integers(0, 2**32),
)
def test_it_is_torchs_at_any_size(kind, sizes, num_layers, bidirectional, lengths, packed, scale, seed):
    hidden_size = sizes[1] + 2  # above the projection
    theirs, ours = twins(kind, seed, sizes[0], hidden_size, num_layers=num_layers, bidirectional=bidirectional)
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(max(lengths), len(lengths), sizes[0], generator=generator, dtype=torch.float64)
    input = pack_padded_sequence(x, lengths, enforce_sorted=False) if packed else x
    assert_alike(flat(ours(input)), flat(theirs(input)), atol=1e-12 * max(1.0, scale))


@pytest.mark.parametrize("kind", KINDS)
def test_float32_within_a_few_ulps(kind):
    theirs, ours = twins(kind, num_layers=2, bidirectional=True, dtype=torch.float32)
    x = torch.randn(TIME, BATCH, INPUT, generator=torch.Generator().manual_seed(0))
    assert_alike(flat(ours(x)), flat(theirs(x)), atol=4 * torch.finfo(torch.float32).eps)


def textbook_gru(gru: torch.nn.Module, x: Tensor, H: Tensor) -> Tensor:
    """The GRU as "Dive into Deep Learning" writes it: the candidate sees R * H."""
    W, U = gru.weight_ih_l0.chunk(3), gru.weight_hh_l0.chunk(3)
    b = (gru.bias_ih_l0 + gru.bias_hh_l0).chunk(3)
    outputs = []
    for X in x:
        R = torch.sigmoid(X @ W[0].T + H @ U[0].T + b[0])
        Z = torch.sigmoid(X @ W[1].T + H @ U[1].T + b[1])
        H_tilde = torch.tanh(X @ W[2].T + (R * H) @ U[2].T + b[2])
        H = Z * H + (1 - Z) * H_tilde
        outputs.append(H)
    return torch.stack(outputs)


def test_reset_before_the_product_is_the_textbooks():
    gru = seeded(0, lambda: rnncheck.nn.GRU(INPUT, HIDDEN, reset_after=False, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    x, h = draw(generator, TIME, BATCH, INPUT), draw(generator, BATCH, HIDDEN)
    output, _ = gru(x, h[None])
    torch.testing.assert_close(output, textbook_gru(gru, x, h), rtol=0, atol=1e-14)
    after = copy.deepcopy(gru)
    after.reset_after = True
    assert (after(x, h[None])[0] - output).abs().max() > 1e-3
    assert repr(gru) == f"GRU({INPUT}, {HIDDEN}, reset_after=False)"


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_torchs(kind):
    for flags in itertools.product(*FLAGS.values()):
        theirs, ours = twins(kind, num_layers=3, **dict(zip(FLAGS, flags, strict=True)))
        assert repr(ours) == repr(theirs)
        assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
        assert_alike(ours.state_dict().values(), theirs.state_dict().values(), atol=0)  # the same seed, the same draws
        assert [[w.shape for w in ws] for ws in ours.all_weights] == [[w.shape for w in ws] for ws in theirs.all_weights]
        seeded(1, ours.reset_parameters)
        assert not torch.equal(ours.weight_hh_l2, theirs.weight_hh_l2)
        ours.load_state_dict(theirs.state_dict())
        theirs.load_state_dict(ours.state_dict())
        assert_alike(ours.parameters(), theirs.parameters(), atol=0)
        assert ours.flatten_parameters() is None


@pytest.mark.parametrize("arguments", [{"device": "meta"}, {"dtype": torch.bfloat16}, {"device": "cpu"}])
def test_device_and_dtype(arguments):
    for name in ("RNN", "GRU", "LSTM"):
        layer = seeded(0, lambda name=name: getattr(rnncheck.nn, name)(INPUT, HIDDEN, **arguments))
        x = torch.ones(TIME, BATCH, INPUT, **arguments)
        for tensor in [*layer.parameters(), *flat(layer(x))]:
            assert (tensor.device, tensor.dtype) == (x.device, x.dtype)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("p", [0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_what_torch_draws(kind, p, packed):
    theirs, ours = twins(kind, num_layers=3, bidirectional=True, dropout=p)
    _, input, _ = situation(theirs, "unsorted" if packed else "padded", with_state=False)

    def two_calls_and_a_draw(layer):
        return [*flat(layer(input)), *flat(layer(input)), torch.rand(1)]

    expected, actual = (seeded(7, lambda layer=layer: two_calls_and_a_draw(layer)) for layer in (theirs, ours))
    assert_alike(actual, expected, atol=1e-13)
    first, second = actual[0], actual[len(actual) // 2]
    assert torch.equal(first, second) == (p == 1.0)  # fresh masks at each call
    assert_alike(flat(ours.eval()(input)), flat(theirs.eval()(input)), atol=1e-13)


def test_dropout_of_one_layer_warns_and_does_nothing():
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        layer = seeded(0, lambda: rnncheck.nn.LSTM(INPUT, HIDDEN, dropout=0.9))
    x = torch.ones(TIME, BATCH, INPUT)
    state = torch.get_rng_state()
    assert torch.equal(layer(x)[0], layer(x)[0]) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("layers", "dropout"), [(1, 0.0), (2, 0.5), (2, 0.0)])
def test_any_other_dropout_does_not_warn(layers, dropout, recwarn):
    rnncheck.nn.LSTM(INPUT, HIDDEN, layers, dropout=dropout)
    assert not recwarn.list


# ---- gates


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind, letters", [("tanh", "h"), ("gru", "rznh"), ("lstm", "ifgoch"), ("lstm-projected", "ifgoch")])
def test_gates_are_those_of_the_run(kind, letters, layout):
    theirs, ours = twins(kind, num_layers=2, bidirectional=True, batch_first=True)
    _, input, hx = situation(theirs, layout, with_state=True)
    gates = ours.gates(input, hx)
    output, state = ours(input, hx)
    assert ["".join(each) for each in gates] == [letters] * 4

    def data(t):
        return t.data if isinstance(t, PackedSequence) else t

    assert type(gates[0]["h"]) is type(output)
    assert torch.equal(torch.cat([data(each["h"]) for each in gates[2:]], dim=-1), data(output))
    for letter in set(letters) & set("rzifo"):
        assert all(data(each[letter]).min() >= 0 and data(each[letter]).max() <= 1 for each in gates)
    if kind == "lstm":
        o, c, h = (data(gates[1][letter]) for letter in "och")
        assert torch.equal(h, o * torch.tanh(c))
        if layout == "padded":
            assert torch.equal(gates[1]["c"][:, 0], state[1][1])  # the reverse direction ends at time 0


# ---- packed


@pytest.mark.parametrize("kind", KINDS)
def test_each_packed_sequence_is_that_sequence_alone(kind):
    _, ours = twins(kind, num_layers=2, bidirectional=True)
    generator = torch.Generator().manual_seed(3)
    sequences = [torch.randn(n, INPUT, generator=generator, dtype=torch.float64) for n in (2, 7, 1, 7, 4)]
    packed, state = ours(pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(packed)
    for row, sequence in enumerate(sequences):
        output, alone = ours(sequence)
        torch.testing.assert_close(padded[: lengths[row], row], output, rtol=0, atol=1e-14)
        for whole, one in zip(flat((output, state))[1:], flat((output, alone))[1:], strict=True):
            torch.testing.assert_close(whole[:, row], one, rtol=0, atol=1e-14)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_results_share_no_memory_with_anything(layout, bidirectional):
    for kind, time in itertools.product(KINDS, (1, 3)):
        theirs, ours = twins(kind, bidirectional=bidirectional)
        _, input, hx = situation(theirs, layout, with_state=True)
        if layout in ("padded", "unbatched"):
            input = input[:time]
        tensors = list(ours.parameters())
        for sequence, state in ((input, hx), ours(input, hx)):
            tensors.append(sequence.data if isinstance(sequence, PackedSequence) else sequence)
            tensors.extend(state if isinstance(state, tuple) else [state])
        assert len({t.untyped_storage().data_ptr() for t in tensors}) == len(tensors)
