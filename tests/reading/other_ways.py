"""Right layers that are built and called in further ways, each with a mistake of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


@dataclass
class Settings:
    d_input: int = 32
    d_model: int = 64
    pre_norm: bool = True


class BySettings(nn.Module):
    """The type of the configuration object is text, as all annotations of this file are."""

    def __init__(self, config: Settings) -> None:
        super().__init__()
        self.into = nn.Linear(config.d_input, config.d_model)
        self.norm = nn.LayerNorm(config.d_model) if config.pre_norm else nn.Identity()
        self.gru = nn.GRU(config.d_model, config.d_model, batch_first=True)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.into(inputs)
        y, state = self.gru(self.norm(x), None if state is None else state.unsqueeze(0))
        return x + y, state.squeeze(0)


class BySettingsWrong(BySettings):
    """The state that is given has no effect."""

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(inputs, None if state is None else 0 * state)


class ByKeyword(nn.Module):
    """A state by keyword alone, under a name that torch does not use."""

    def __init__(self, dim: int, *, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.cell = nn.LSTMCell(dim, hidden)

    def forward(self, x: Tensor, *, carry: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        carry = carry or (x.new_zeros(len(x), self.hidden),) * 2
        ys = []
        for step in x.unbind(1):
            carry = self.cell(step, carry)
            ys.append(carry[0])
        return torch.stack(ys, 1), carry


class ByKeywordWrong(ByKeyword):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, *, carry: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return super().forward(x)


class OfIds(nn.Module):
    """The padding is found in the ids themselves, whose shape is used as well."""

    def __init__(self, vocab_size: int, embed_dim: int, hidden_dim: int, pad_idx: int = 0) -> None:
        super().__init__()
        self.pad_idx = pad_idx
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=pad_idx)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, bidirectional=True, batch_first=True)

    def forward(self, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows, steps = tokens.size()
        packed = pack_padded_sequence(
            self.vectors(tokens), tokens.ne(self.pad_idx).sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        y, state = self.lstm(packed)
        return pad_packed_sequence(y, batch_first=True, total_length=steps)[0].view(rows, steps, -1), state

    def vectors(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)


class OfIdsWrong(OfIds):
    """A step reads the token of another one."""

    def vectors(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens.roll(1, 1))


class OfAttentionMask(nn.Module):
    """Numbers for a mask that may be left out, and a mean over the steps beside the output."""

    def __init__(self, vocab_size: int, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, batch_first=True)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[str, Tensor]:
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        y = self.lstm(self.embed(input_ids) * self.of_steps(mask))[0] * (1.0 - (1.0 - mask)).unsqueeze(-1)
        return {"features": y, "pooled": y.sum(1) / mask.sum(1, keepdim=True)}

    def of_steps(self, mask: Tensor) -> Tensor:
        return mask.unsqueeze(-1)


class OfAttentionMaskWrong(OfAttentionMask):
    """A step is masked as another one is."""

    def of_steps(self, mask: Tensor) -> Tensor:
        return mask.unsqueeze(-1).roll(1, 1)


class OfPadding(nn.Module):
    """A mask that is true where there is padding."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h, ys = x.new_zeros(len(x), self.cell.hidden_size), []
        mask = torch.zeros(x.shape[:2], dtype=torch.bool) if padding_mask is None else padding_mask
        for step, padding in zip(x.unbind(1), mask.T[..., None], strict=True):
            h = torch.where(padding, h, self.cell(step, h))
            ys.append(h.masked_fill(padding, 0))
        return torch.stack(ys, 1), h


class OfPaddingWrong(OfPadding):
    """The state goes on over the padding."""

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x, padding_mask)[0], super().forward(x)[1]


class ByArgs(nn.Module):
    """Options of no known type."""

    def __init__(self, args) -> None:
        super().__init__()
        self.rnn = nn.LSTM(args.input_dim, args.rnn_hidden, args.n_layers)

    def forward(self, x: Tensor, state=None):
        return self.rnn(x, state)


class ByArgsWrong(ByArgs):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, state=None):
        return self.rnn(x)


class BesideSettings(nn.Module):
    """The input size beside a configuration object that has a default."""

    def __init__(self, in_dim: int, settings: Settings = Settings()) -> None:  # noqa: B008, RUF009
        super().__init__()
        self.rnn = nn.GRU(in_dim, settings.d_model)

    def forward(self, x: Tensor, h=None):
        y, h = self.rnn(x, h)
        return y, h


class BesideSettingsWrong(BesideSettings):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, h=None):
        return super().forward(x)


class OfTable(nn.Module):
    """A table of vectors that are known, and a vocabulary in place of its size."""

    def __init__(self, vocab, embedding_matrix, hidden_dim) -> None:
        super().__init__()
        assert len(vocab) == len(embedding_matrix)
        self.embedding = nn.Embedding.from_pretrained(torch.as_tensor(embedding_matrix), freeze=False)
        self.rnn = nn.GRU(self.embedding.embedding_dim, hidden_dim)

    def forward(self, ids: Tensor):
        return self.rnn(self.embedding(ids))


class OfTableWrong(OfTable):
    """A step reads the token of another one."""

    def forward(self, ids: Tensor):
        return super().forward(ids.roll(1, 0))


class OfCharacters(nn.Module):
    """One-hot vectors of as many characters as a vocabulary has."""

    def __init__(self, characters, n_hidden=256) -> None:
        super().__init__()
        self.places = {one: place for place, one in enumerate(characters)}
        self.rnn = nn.RNN(len(self.places), n_hidden)
        self.decoder = nn.Linear(n_hidden, len(self.places))

    def forward(self, x: Tensor, hidden: Tensor):
        y, hidden = self.rnn(x, hidden)
        return self.decoder(y), hidden


class OfCharactersWrong(OfCharacters):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, hidden: Tensor):
        return super().forward(x, 0 * hidden)


class DecayCell(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.n_out, self.into, self.decay = n_out, nn.Linear(n_in, n_out), nn.Parameter(torch.randn(n_out))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.sigmoid(self.decay) * h + self.into(x)


class OfCell(nn.Module):
    """A module that makes a step is what the constructor takes."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h, hs = x.new_zeros(x.shape[1], self.cell.n_out) if h is None else h, []
        for step in x:
            h = self.cell(step, h)
            hs.append(h)
        return torch.stack(hs), h


class OfCellWrong(OfCell):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x)


class OfCellClass(OfCell):
    """The class of such a module, beside the sizes."""

    def __init__(self, cell_type: type[nn.Module], n_in: int, n_out: int) -> None:
        super().__init__(cell_type(n_in, n_out))


class OfCellClassWrong(OfCellClass):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x)


class Named(nn.Module):
    def __init__(self, label: str = "") -> None:
        super().__init__()
        self.label = label


class OfTheRest(Named):
    """Takes further options in **, and hands them to a class that refuses torch's."""

    def __init__(self, in_features: int, out_features: int, **more: str) -> None:
        super().__init__(**more)
        self.gru = nn.GRU(in_features, out_features, batch_first=True)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.gru(x, h)


class OfTheRestWrong(OfTheRest):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x)


class LastOfStack(nn.Module):
    """The last output of a stack that takes the states of all layers, and returns none."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.cells, self.hidden_size = nn.ModuleList(nn.GRUCell(size, hidden_size) for size in sizes), hidden_size

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        hx = input.new_zeros(len(self.cells), len(input), self.hidden_size) if hx is None else hx
        states = [hx[number, :, :] for number in range(len(self.cells))]
        for step in input.unbind(1):
            for number, cell in enumerate(self.cells):
                states[number] = step = cell(step, states[number])
        return states[-1]


class LastOfStackWrong(LastOfStack):
    """Rows are mixed."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        last = super().forward(input, hx)
        return last + 0.1 * last.mean(0)


class OfShape(nn.Module):
    """The shape of a batch, in place of the size of its last axis."""

    def __init__(self, hidden_size: int, input_shape: tuple[int, ...], num_layers: int = 1) -> None:
        super().__init__()
        _, _, features = input_shape
        self.gru = nn.GRU(features, hidden_size, num_layers, batch_first=True)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.gru(x, hx)


class OfShapeWrong(OfShape):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x)


class OfHeads(nn.Module):
    """A number of heads divides the hidden size; each has a recurrence of its own."""

    def __init__(self, input_size: int, hidden_size: int, num_heads: int = 4) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(f"hidden_size {hidden_size} cannot be divided by {num_heads} heads")
        self.heads, self.hidden_size = num_heads, hidden_size
        self.into = nn.Linear(input_size, hidden_size)
        self.weight = nn.Parameter(torch.randn(num_heads, hidden_size // num_heads, hidden_size // num_heads) / 4)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = x.new_zeros(x.shape[1], self.hidden_size) if state is None else state
        outputs = []
        for step in self.into(x):
            h = torch.tanh(step + torch.einsum("bhi,hij->bhj", h.unflatten(1, (self.heads, -1)), self.weight).flatten(1))
            outputs.append(h)
        return torch.stack(outputs), h


class OfHeadsWrong(OfHeads):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(x)


class WithScores(nn.Module):
    """Called as torch's layers are, but the scores of each step come back behind the state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.gru, self.score = nn.GRU(input_size, hidden_size), nn.Linear(hidden_size, 2)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        y, h = self.gru(x, h)
        return y, h, self.scored(self.score(y))

    def scored(self, scores: Tensor) -> Tensor:
        return scores.softmax(-1)


class WithScoresWrong(WithScores):
    """The scores of a step are shared among the rows."""

    def scored(self, scores: Tensor) -> Tensor:
        return scores.softmax(1)


class WithNothing(nn.Module):
    """Called as torch's layers are, but None comes back behind the state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size)

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor], None]:
        return *self.lstm(x, hx), None


class WithNothingWrong(WithNothing):
    """The state that is given has no effect."""

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor], None]:
        return super().forward(x)


class BothWaysRNN(nn.Module):
    """Two Elman cells, one for each direction, of which outputs alone come back."""

    def __init__(self, n_in: int, n_hid: int) -> None:
        super().__init__()
        self.n_hid, self.fwd, self.bwd = n_hid, nn.RNNCell(n_in, n_hid), nn.RNNCell(n_in, n_hid)

    def run(self, cell: nn.RNNCell, x: Tensor) -> Tensor:
        h, ys = x.new_zeros(len(x), self.n_hid), []
        for step in x.unbind(1):
            h = cell(step, h)
            ys.append(h)
        return torch.stack(ys, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.run(self.fwd, x), self.run(self.bwd, x.flip(1)).flip(1)], -1)


class BothWaysWrong(BothWaysRNN):
    """The outputs from the end are not turned back."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.run(self.fwd, x), self.run(self.bwd, x.flip(1))], -1)


class Rotates(nn.Module):
    """A state of complex numbers, whose real and imaginary parts stand side by side in the output."""

    def __init__(self, n_in: int, n_units: int) -> None:
        super().__init__()
        self.into, self.angle = nn.Linear(n_in, n_units), nn.Parameter(torch.rand(n_units))

    def own(self, x: Tensor) -> Tensor:
        return self.into(x)

    def forward(self, x: Tensor) -> Tensor:
        u, ys = self.own(x), []
        re = im = u.new_zeros(u.shape[0], u.shape[2])
        for step in u.unbind(1):
            re, im = re * self.angle.cos() - im * self.angle.sin(), re * self.angle.sin() + im * self.angle.cos()
            re = (re + step) / 2
            im = im / 2
            ys.append(torch.cat([re, im], -1))
        return torch.stack(ys, 1)


class RotatesAll(Rotates):
    """Rows are mixed."""

    def own(self, x: Tensor) -> Tensor:
        return super().own(x - x.mean(0))


class BothWaysRNNForwards(BothWaysRNN):
    """Both cells read the sequence from its beginning, by mistake."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.run(self.fwd, x), self.run(self.bwd, x)], -1)


LAYERS = {
    Rotates: ("(batch, time, features), no state comes back", RotatesAll),
    BothWaysRNN: ("(batch, time, features), no state comes back, two directions", BothWaysWrong, BothWaysRNNForwards),
    WithScores: ("(time, batch, features), state h, not looked at: result[2]", WithScoresWrong),
    WithNothing: ("(time, batch, features), state (h, c)", WithNothingWrong),
    OfHeads: ("(time, batch, features), state h", OfHeadsWrong),
    OfShape: ("(batch, time, features), state h", OfShapeWrong),
    OfTheRest: ("(batch, time, features), state h", OfTheRestWrong),
    LastOfStack: ("(batch, time, features), no state comes back, returns only the last output", LastOfStackWrong),
    BySettings: ("(batch, time, features), state h, not looked at: pre_norm other than True", BySettingsWrong),
    ByKeyword: ("(batch, time, features), state (h, c)", ByKeywordWrong),
    OfIds: ("(batch, time, features), state (h, c), token ids, each with a vector of the input, two directions", OfIdsWrong),
    OfAttentionMask: ("each with a vector of the input, attention_mask: float mask", OfAttentionMaskWrong),
    ByArgs: ("(time, batch, features), state (h, c)", ByArgsWrong),
    BesideSettings: ("(time, batch, features), state h", BesideSettingsWrong),
    OfTable: ("(time, batch, features), state h, token ids, each with a vector of the input", OfTableWrong),
    OfCharacters: ("(time, batch, features), state h", OfCharactersWrong),
    OfCell: ("(time, batch, features), state h", OfCellWrong),
    OfCellClass: ("(time, batch, features), state h", OfCellClassWrong),
    OfPadding: ("padding_mask: padding mask", OfPaddingWrong),
}
"""Each right layer, with what is said of how it is read and with its mistakes."""
