"""Where the gates of a layer's equations lie on given cases: what the cases can tell shows in it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from rnncheck.core.case import Case
from rnncheck.nn.base import Recurrent
from rnncheck.nn.layers import layer_of


def distribution(cases: Iterable[Case], bins: int = 20) -> dict[tuple[str, str], list[float]]:
    """(mode, letter) -> the share of all values of that gate in each of ``bins`` equal parts of its range.

    Computed in float64 from the parameters, input and state that the cases give; of every layer, direction, step and row.

    >>> from rnncheck.core.config import Config
    >>> from rnncheck.core.values import Values
    >>> shut = Case(Config("GRU", 2, 3), time=4, weights=Values("zeros"), biases=Values("zeros"))
    >>> distribution([shut], bins=4)["GRU", "z"]  # sigmoid(0) = 0.5
    [0.0, 0.0, 1.0, 0.0]
    """
    counted: dict[tuple[str, str], Tensor] = {}
    for case in cases:
        for letter, values in gates_of(case):
            low, high = (-1.0, 1.0) if letter == case.config.kind.candidate else (0.0, 1.0)
            found = torch.histc(values.clamp(low, high), bins, low, high)
            counted[case.config.mode, letter] = counted.get((case.config.mode, letter), torch.zeros(bins)) + found
    return {key: (counts / counts.sum().clamp(min=1)).tolist() for key, counts in counted.items()}


@torch.no_grad()
def gates_of(case: Case) -> list[tuple[str, Tensor]]:
    """(letter, all values) of each gate of each layer and direction, float64.

    Nothing where the case is too large to show, or the candidate is rectified and has no bound.
    """
    config = case.config
    if config.kind.rectifies or case.time * case.rows * config.hidden_size > 200_000:
        return []
    layer = _layer(case)
    x = case.input_tensor().double().cpu()
    given = case.initial_state()
    state = None if given is None else tuple(part.double().cpu() for part in given)
    hx = None if state is None else config.as_hx(state)
    if 0 in x.shape or (case.lengths is not None and 0 in case.lengths):
        return []
    input = x if case.lengths is None else pack_padded_sequence(x, torch.tensor(case.lengths), enforce_sorted=False)
    found = [(letter, gates[letter]) for gates in layer.gates(input, hx) for letter in config.kind.order]
    values = [(letter, (g.data if isinstance(g, PackedSequence) else g).flatten().float()) for letter, g in found]
    return [(letter, numbers[numbers.isfinite()]) for letter, numbers in values]


def _layer(case: Case) -> Recurrent:
    """The typed layer with the case's parameters in float64, time first, without dropout."""
    layer = layer_of(case.config.but(batch_first=False, dropout=0.0), device="meta")
    parameters = {name: nn.Parameter(value.double().cpu()) for name, value in case.parameters().items()}
    layer.load_state_dict(parameters, assign=True)
    return layer
