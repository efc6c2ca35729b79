"""The gates of a few sequences of one call, computed from what the layer was given and what it returned.

The state before a step is the output of the step before it, so that of a single layer every step is computed at once, by
one product, with the step of our own cell. Of a deeper stack, whose inner outputs nobody has seen, the few sequences are
run through our own layers.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from rnncheck.core.config import Config
from rnncheck.core.kinds import kind_of
from rnncheck.nn.layers import layer_of

FEW = 4
"""The number of sequences of a batch that are checked, evenly spread."""


def some_gates(layer: Any, input: Any, hx: Any, output: Any) -> list[dict[str, Tensor]]:
    """Gates and candidates by letter, (steps, hidden) each, a dict for each layer and direction; those of FEW sequences.

    layer:  torch.nn's RNN, GRU or LSTM, or one of rnncheck.nn's
    input:  as the layer takes it: padded, batch_first, unbatched or packed; output likewise, as it came out
    """
    twin = _twin(layer)
    xs, outputs = _sequences(layer, input), _sequences(layer, output)
    rows = range(0, len(xs), -(-len(xs) // FEW))
    state = None if hx is None else tuple(_of_rows(part, rows) for part in (hx if isinstance(hx, tuple | list) else (hx,)))
    xs, outputs = [xs[row] for row in rows], [outputs[row] for row in rows]
    if layer.num_layers > 1:
        given = state if state is None or len(state) > 1 else state[0]
        gates = twin.gates(pack_sequence(xs, enforce_sorted=False), given)
        return [{letter: each[letter].data for letter in kind_of(layer.mode).order} for each in gates]
    h_0 = outputs[0].new_zeros(twin.directions, len(rows), layer.proj_size or layer.hidden_size) if state is None else state[0]
    return [_one_layer(twin, direction, xs, outputs, h_0[direction]) for direction in range(twin.directions)]


def _one_layer(twin: Any, direction: int, xs: Sequence[Tensor], outputs: Sequence[Tensor], h_0: Tensor) -> dict[str, Tensor]:
    """All steps of one direction at once. The gates of an LSTM do not look at c, which is taken as 0."""
    weights = twin._weights()[direction]
    own = [output.chunk(twin.directions, -1)[direction] for output in outputs]
    before = [torch.cat([h[1:], first[None]] if direction else [first[None], h[:-1]]) for h, first in zip(own, h_0, strict=True)]
    Wx = F.linear(torch.cat(list(xs)), weights.weight_ih, weights.bias_ih)
    cell = (Wx.new_zeros(len(Wx), twin.hidden_size),) if len(twin.state_names) > 1 else ()
    step = twin.step(weights)(Wx, torch.cat(before), *cell)
    return {letter: getattr(step, letter) for letter in kind_of(twin.mode).order}


def _sequences(layer: Any, value: Any) -> list[Tensor]:
    """(time, features) of each sequence, in the caller's order."""
    if isinstance(value, PackedSequence):
        return list(unpack_sequence(value))
    return [value] if value.dim() == 2 else list(value.unbind(0 if layer.batch_first else 1))


def _of_rows(state: Tensor, rows: Sequence[int]) -> Tensor:
    """(states, rows, features) of a state as the layer takes it."""
    return state.unsqueeze(1) if state.dim() == 2 else state[:, list(rows)]


def _twin(layer: Any) -> Any:
    """A typed layer of these parameters, without dropout: nothing is drawn from the random state of what is watched."""
    config = Config(
        layer.mode, layer.input_size, layer.hidden_size, layer.num_layers, layer.bias, layer.batch_first,
        bidirectional=layer.bidirectional, proj_size=layer.proj_size, reset_after=getattr(layer, "reset_after", True),
    )  # fmt: skip
    twin = layer_of(config, device="meta")
    twin.load_state_dict({name: getattr(layer, name).detach() for name, _ in twin.named_parameters()}, assign=True)
    return twin
