"""Right layers whose states are lists of what each layer, and each direction, begins with; each with a mistake of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


class OneWay(nn.Module):
    """A loop over one cell, which must be given its state."""

    def __init__(self, n_in: int, n_out: int, backwards: bool = False) -> None:
        super().__init__()
        self.cell, self.backwards = nn.LSTMCell(n_in, n_out), backwards

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        outputs = []
        for step in x.flip(0) if self.backwards else x:
            state = self.cell(step, state)
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if self.backwards else outputs), state


class ListOfPairs(nn.Module):
    """A list of (h, c), one a layer."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(OneWay(hidden_size if i else input_size, hidden_size) for i in range(num_layers))

    def forward(self, x: Tensor, states: list[Pair]) -> tuple[Tensor, list[Pair]]:
        after = []
        for layer, state in zip(self.layers, states, strict=True):
            x, state = layer(x, state)
            after.append(state)
        return x, after


class ListOfPairsWrong(ListOfPairs):
    """All layers begin with the first one's state."""

    def forward(self, x: Tensor, states: list[Pair]) -> tuple[Tensor, list[Pair]]:
        return super().forward(x, [states[0]] * len(states))


class ListOfLists(nn.Module):
    """For each layer a list of (h, c), one a direction."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        sizes = [2 * hidden_size if i else input_size for i in range(num_layers)]
        self.layers = nn.ModuleList(
            nn.ModuleList(OneWay(size, hidden_size, backwards) for backwards in (False, True)) for size in sizes
        )

    def forward(self, x: Tensor, states: list[list[Pair]]) -> tuple[Tensor, list[list[Pair]]]:
        after = []
        for layer, given in zip(self.layers, states, strict=True):
            outputs, ends = zip(*(one(x, state) for one, state in zip(layer, given, strict=True)), strict=True)
            x = torch.cat(outputs, -1)
            after.append(list(ends))
        return x, after


class ListOfListsWrong(ListOfLists):
    """The directions begin with each other's states."""

    def forward(self, x: Tensor, states: list[list[Pair]]) -> tuple[Tensor, list[list[Pair]]]:
        return super().forward(x, [given[::-1] for given in states])


class SideBySide(nn.Module):
    """The states of all layers side by side: that of one layer looks like a cell's."""

    def __init__(self, input_size: int, hidden_size: int, n_layer: int = 1) -> None:
        super().__init__()
        sizes = [hidden_size if i else input_size for i in range(n_layer)]
        self.cells, self.hidden_size = nn.ModuleList(nn.GRUCell(size, hidden_size) for size in sizes), hidden_size

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if hidden is None:
            hidden = x.new_zeros(x.shape[1], len(self.cells) * self.hidden_size)
        after = []
        for cell, h in zip(self.cells, hidden.chunk(len(self.cells), -1), strict=True):
            outputs = []
            for step in x:
                h = cell(step, h)
                outputs.append(h)
            x = torch.stack(outputs)
            after.append(h)
        return x, torch.cat(after, -1)


class SideBySideWrong(SideBySide):
    """The final states come in the opposite order."""

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, after = super().forward(x, hidden)
        return output, torch.cat(after.chunk(len(self.cells), -1)[::-1], -1)


class EitherWay(nn.Module):
    """A list of (h, c), one a direction, of which an option says how many there are."""

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = False) -> None:
        super().__init__()
        ways = (False, True) if bidirectional else (False,)
        self.ways = nn.ModuleList(OneWay(input_size, hidden_size, backwards) for backwards in ways)

    def forward(self, x: Tensor, states: list[Pair]) -> tuple[Tensor, list[Pair]]:
        outputs, ends = zip(*(way(x, state) for way, state in zip(self.ways, states, strict=True)), strict=True)
        return torch.cat(outputs, -1), list(ends)


class EitherWayWrong(EitherWay):
    """Both directions begin with the first one's state."""

    def forward(self, x: Tensor, states: list[Pair]) -> tuple[Tensor, list[Pair]]:
        return super().forward(x, [states[0]] * len(states))


LAYERS = {
    EitherWay: ("(time, batch, features), state (h, c)", EitherWayWrong),
    SideBySide: ("(time, batch, features), state h", SideBySideWrong),
    ListOfPairs: ("(time, batch, features), state (h, c)", ListOfPairsWrong),
    ListOfLists: ("(time, batch, features), state (h, c), two directions", ListOfListsWrong),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
