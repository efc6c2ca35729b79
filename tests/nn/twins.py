"""torch.nn's layers and ours side by side, and inputs in every layout: what the tests of the layers share."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import rnncheck.nn

KINDS = {
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
    "lstm-projected": ("LSTM", {"proj_size": 2}),
}
FLAGS = {"bidirectional": (False, True), "batch_first": (False, True), "bias": (True, False)}
LAYOUTS = ("padded", "unbatched", "sorted", "unsorted")
TIME, BATCH, INPUT, HIDDEN = 5, 4, 3, 6
LENGTHS = {"sorted": [5, 3, 3, 1], "unsorted": [3, 5, 1, 3]}


def twins(kind: str, seed: int = 0, input_size: int = INPUT, hidden_size: int = HIDDEN, **arguments):
    """torch.nn's layer and ours, constructed alike from the same seed."""
    name, extra = KINDS[kind]
    arguments = {"dtype": torch.float64, **extra, **arguments}
    packages = (torch.nn, rnncheck.nn)
    return [seeded(seed, lambda p=p: getattr(p, name)(input_size, hidden_size, **arguments)) for p in packages]


def draw(generator: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()


def situation(layer, layout: str, with_state: bool, seed: int = 1):
    """The leaves that need gradients, the input in its layout, and hx or None."""
    generator = torch.Generator().manual_seed(seed)
    batch = () if layout == "unbatched" else (BATCH,)
    shape = (*batch, TIME, INPUT) if layer.batch_first and batch else (TIME, *batch, INPUT)
    x = draw(generator, *shape)
    states = layer.num_layers * (2 if layer.bidirectional else 1)
    state = [draw(generator, states, *batch, layer.proj_size or layer.hidden_size)]
    if isinstance(layer, torch.nn.LSTM):
        state.append(draw(generator, states, *batch, layer.hidden_size))
    input = x
    if layout in LENGTHS:
        input = pack_padded_sequence(x, LENGTHS[layout], layer.batch_first, enforce_sorted=layout == "sorted")
    hx = (tuple(state) if len(state) == 2 else state[0]) if with_state else None
    return [x, *state * with_state], input, hx


def flat(result) -> list[Tensor]:
    """Output, h_n and c_n as a list, and of a packed output all four parts."""
    output, state = result
    parts = [p for p in output if p is not None] if isinstance(output, PackedSequence) else [output]
    return parts + (list(state) if isinstance(state, tuple) else [state])


def loss(result) -> Tensor:
    """Weighs every element of the output and states differently."""
    return sum((t * torch.arange(1.0, t.numel() + 1).view(t.shape)).sum() for t in flat(result) if t.requires_grad)


def assert_alike(actual, expected, atol: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=0, atol=atol)


def seeded(seed: int, make):
    """make() with torch's global random state set for it alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
