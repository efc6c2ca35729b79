"""Layers that are told how long each sequence is."""
# ruff: noqa: UP006, UP035

from typing import List

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class PackedGRU(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, h = self.rnn(packed)
        out, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.size(1))
        return out, h


class PackedGRU1(PackedGRU):
    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, (lengths - 1).clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        packed, h = self.rnn(packed)
        out, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.size(1))
        return out, h


class PackedGRU2(PackedGRU):
    def forward(self, x, lengths):
        out, h = self.rnn(x)
        return out, h


class ListedLengths(nn.Module):
    def __init__(self, dim_in: int, dim_hidden: int):
        super().__init__()
        self.cell = nn.LSTMCell(dim_in, dim_hidden)

    def forward(self, x: Tensor, lengths: List[int]):
        batch = x.shape[1]
        h = c = x.new_zeros(batch, self.cell.hidden_size)
        out = []
        for t, x_t in enumerate(x):
            h_new, c_new = self.cell(x_t, (h, c))
            active = torch.tensor([t < n for n in lengths], device=x.device).unsqueeze(1)
            h = torch.where(active, h_new, h)
            c = torch.where(active, c_new, c)
            out.append(torch.where(active, h_new, torch.zeros_like(h_new)))
        return torch.stack(out), (h, c)


class ListedLengths1(ListedLengths):
    def forward(self, x: Tensor, lengths: List[int]):
        batch = x.shape[1]
        h = c = x.new_zeros(batch, self.cell.hidden_size)
        out = []
        for t, x_t in enumerate(x):
            h_new, c_new = self.cell(x_t, (h, c))
            active = torch.tensor([t <= n for n in lengths], device=x.device).unsqueeze(1)
            h = torch.where(active, h_new, h)
            c = torch.where(active, c_new, c)
            out.append(torch.where(active, h_new, torch.zeros_like(h_new)))
        return torch.stack(out), (h, c)


class ListedLengths2(ListedLengths):
    def forward(self, x: Tensor, lengths: List[int]):
        batch = x.shape[1]
        h = c = x.new_zeros(batch, self.cell.hidden_size)
        out = []
        for t, x_t in enumerate(x):
            h_new, c_new = self.cell(x_t, (h, c))
            active = torch.tensor([t < n for n in lengths], device=x.device).unsqueeze(1)
            h = torch.where(active, h_new, h)
            c = c_new
            out.append(torch.where(active, h_new, torch.zeros_like(h_new)))
        return torch.stack(out), (h, c)


class SortedLSTM(nn.Module):
    """Sorts, packs, unpacks and unsorts by hand."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size)

    def forward(self, inputs, seq_lens):
        seq_lens, perm_idx = seq_lens.sort(0, descending=True)
        _, unperm_idx = perm_idx.sort(0)
        packed = pack_padded_sequence(inputs[:, perm_idx], seq_lens.tolist())
        packed_out, (ht, ct) = self.lstm(packed)
        output, _ = pad_packed_sequence(packed_out, total_length=inputs.size(0))
        return output[:, unperm_idx], (ht[:, unperm_idx], ct[:, unperm_idx])


class SortedLSTM1(SortedLSTM):
    def forward(self, inputs, seq_lens):
        seq_lens, perm_idx = seq_lens.sort(0, descending=True)
        _, unperm_idx = perm_idx.sort(0)
        packed = pack_padded_sequence(inputs[:, perm_idx], seq_lens.tolist())
        packed_out, (ht, ct) = self.lstm(packed)
        output, _ = pad_packed_sequence(packed_out, total_length=inputs.size(0))
        return output[:, unperm_idx], (ht, ct)


class SortedLSTM2(SortedLSTM):
    def forward(self, inputs, seq_lens):
        seq_lens, perm_idx = seq_lens.sort(0, descending=True)
        _, unperm_idx = perm_idx.sort(0)
        packed = pack_padded_sequence(inputs[:, perm_idx], seq_lens.tolist())
        packed_out, (ht, ct) = self.lstm(packed)
        output, _ = pad_packed_sequence(packed_out, total_length=inputs.size(0))
        return output[:, perm_idx], (ht[:, unperm_idx], ct[:, unperm_idx])


class DynamicRNN(nn.Module):
    """lengths=None means that all are full."""

    def __init__(self, num_features, num_units):
        super().__init__()
        self.lin = nn.Linear(num_features + num_units, num_units)

    def forward(self, x, initial_state=None, lengths=None):
        B, T, _ = x.shape
        h = initial_state if initial_state is not None else x.new_zeros(B, self.lin.out_features)
        out = x.new_zeros(B, T, self.lin.out_features)
        for t in range(T):
            new = torch.tanh(self.lin(torch.cat([x[:, t], h], -1)))
            if lengths is not None:
                live = (t < lengths).to(x.dtype)[:, None]
                out[:, t] = new * live
                h = new * live + h * (1 - live)
            else:
                out[:, t] = h = new
        return out, h


class DynamicRNN1(DynamicRNN):
    def forward(self, x, initial_state=None, lengths=None):
        B, T, _ = x.shape
        h = initial_state if initial_state is not None else x.new_zeros(B, self.lin.out_features)
        out = x.new_zeros(B, T, self.lin.out_features)
        for t in range(T):
            new = torch.tanh(self.lin(torch.cat([x[:, t], h], -1)))
            if lengths is not None:
                live = (t < lengths).to(x.dtype)[:, None]
                out[:, t] = new * live
                h = new
            else:
                out[:, t] = h = new
        return out, h


class DynamicRNN2(DynamicRNN):
    def forward(self, x, initial_state=None, lengths=None):
        B, T, _ = x.shape
        h = initial_state if initial_state is not None else x.new_zeros(B, self.lin.out_features)
        out = x.new_zeros(B, T, self.lin.out_features)
        for t in range(T):
            new = torch.tanh(self.lin(torch.cat([x[:, t], h], -1)))
            if lengths is not None:
                live = (t < lengths).to(x.dtype)[:, None]
                out[:, t] = new * live
                h = new * live
            else:
                out[:, t] = h = new
        return out, h


class LastByLength(nn.Module):
    def __init__(self, n_mels, n_hidden):
        super().__init__()
        self.rnn = nn.GRU(n_mels, n_hidden, batch_first=True)

    def forward(self, mels, mel_lens):
        frames, _ = self.rnn(mels)
        last = (mel_lens - 1).view(-1, 1, 1).expand(-1, 1, frames.size(2))
        return frames.gather(1, last).squeeze(1)


class LastByLength1(LastByLength):
    def forward(self, mels, mel_lens):
        frames, _ = self.rnn(mels)
        last = (mel_lens - 2).clamp(min=0).view(-1, 1, 1).expand(-1, 1, frames.size(2))
        return frames.gather(1, last).squeeze(1)


class LastByLength2(LastByLength):
    def forward(self, mels, mel_lens):
        frames, _ = self.rnn(mels)
        return frames[:, -1]


class PackedInPackedOut(nn.Module):
    """Takes a PackedSequence and nothing else."""

    def __init__(self, size_in, size_out):
        super().__init__()
        self.rnn = nn.GRU(size_in, size_out)
        self.norm = nn.LayerNorm(size_out)

    def forward(self, packed: PackedSequence, h=None):
        packed, h = self.rnn(packed, h)
        return packed._replace(data=self.norm(packed.data)), h


class PackedInPackedOut1(PackedInPackedOut):
    def forward(self, packed: PackedSequence, h=None):
        packed, h = self.rnn(packed, h)
        return packed._replace(data=self.norm(packed.data - packed.data.mean(0))), h


class PackedInPackedOut2(PackedInPackedOut):
    def forward(self, packed: PackedSequence, h=None):
        packed, h = self.rnn(packed)
        return packed._replace(data=self.norm(packed.data)), h
