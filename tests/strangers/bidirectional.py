"""Two directions."""

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence


class TwoGRUs(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.fwd = nn.GRU(input_size, hidden_size)
        self.bwd = nn.GRU(input_size, hidden_size)

    def forward(self, x, hx=None):
        hf, hb = (None, None) if hx is None else (hx[:1], hx[1:])
        of, hf = self.fwd(x, hf)
        ob, hb = self.bwd(x.flip(0), hb)
        return torch.cat([of, ob.flip(0)], -1), torch.cat([hf, hb], 0)


class TwoGRUs1(TwoGRUs):
    def forward(self, x, hx=None):
        hf, hb = (None, None) if hx is None else (hx[:1], hx[1:])
        of, hf = self.fwd(x, hf)
        ob, hb = self.bwd(x.flip(0), hb)
        return torch.cat([of, ob], -1), torch.cat([hf, hb], 0)


class TwoGRUs2(TwoGRUs):
    def forward(self, x, hx=None):
        hf, hb = (None, None) if hx is None else (hx[:1], hx[1:])
        of, hf = self.fwd(x, hf)
        ob, hb = self.bwd(x.flip(0))
        return torch.cat([of, ob.flip(0)], -1), torch.cat([hf, hb], 0)


class SummedLSTM(nn.Module):
    """Adds both directions up, as Deep Speech 2 does."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.rnn = nn.LSTM(input_size=input_size, hidden_size=hidden_size, bidirectional=True, bias=True)

    def forward(self, x):
        x, h = self.rnn(x)
        x = x.view(x.size(0), x.size(1), 2, -1).sum(2).view(x.size(0), x.size(1), -1)  # (TxNxH*2) -> (TxNxH) by sum
        return x, h


class SummedLSTM1(SummedLSTM):
    def forward(self, x):
        x, h = self.rnn(x)
        x = x.view(x.size(0), x.size(1), -1, 2).sum(3).view(x.size(0), x.size(1), -1)  # (TxNxH*2) -> (TxNxH) by sum
        return x, h


class SummedLSTM2(SummedLSTM):
    def forward(self, x):
        x, h = self.rnn(x)
        x = x.view(x.size(0), x.size(1), 2, -1).select(2, 0).reshape(x.size(0), x.size(1), -1)  # (TxNxH*2) -> (TxNxH) by sum
        return x, h


class BackwardRNN(nn.Module):
    """Runs from the end to the beginning."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.RNNCell(input_size, hidden_size)

    def forward(self, x, h=None):
        steps = []
        for t in reversed(range(x.shape[0])):
            h = self.cell(x[t], h)
            steps.append(h)
        return torch.stack(steps[::-1]), h


class BackwardRNN1(BackwardRNN):
    def forward(self, x, h=None):
        steps = []
        for t in reversed(range(x.shape[0])):
            h = self.cell(x[t], h)
            steps.append(h)
        return torch.stack(steps), h


class BackwardRNN2(BackwardRNN):
    def forward(self, x, h=None):
        steps = []
        for t in reversed(range(x.shape[0])):
            h = self.cell(x[t], h)
            steps.append(h)
        return torch.stack(steps[::-1]), steps[0]


class PaddedBiGRU(nn.Module):
    """Turns each sequence round within its own length."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.left = nn.GRU(input_size, hidden_size, batch_first=True)
        self.right = nn.GRU(input_size, hidden_size, batch_first=True)

    @staticmethod
    def flip(x, lengths):
        total = x.shape[1]
        rows = [torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist(), strict=True)]
        return pad_sequence(rows, batch_first=True)[:, :total]

    def forward(self, x, lengths):
        y_left, _ = self.left(x)
        y_right, _ = self.right(self.flip(x, lengths))
        y = torch.cat((y_left, self.flip(y_right, lengths)), dim=2)
        inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return y * inside[:, :, None]


class PaddedBiGRU1(PaddedBiGRU):
    @staticmethod
    def flip(x, lengths):
        total = x.shape[1]
        rows = [row.flip(0) for row, n in zip(x, lengths.tolist(), strict=True)]
        return pad_sequence(rows, batch_first=True)[:, :total]


class PaddedBiGRU2(PaddedBiGRU):
    def forward(self, x, lengths):
        y_left, _ = self.left(x)
        y_right, _ = self.right(self.flip(x, lengths))
        y = torch.cat((y_left, self.flip(y_right, lengths)), dim=2)
        inside = torch.arange(x.shape[1], device=x.device) <= lengths[:, None]
        return y * inside[:, :, None]


class BiCellLSTM(nn.Module):
    def __init__(self, n_feat, n_cells):
        super().__init__()
        self.n_cells = n_cells
        self.forward_cell = nn.LSTMCell(n_feat, n_cells)
        self.backward_cell = nn.LSTMCell(n_feat, n_cells)

    def forward(self, x):
        batch, time, _ = x.size()
        zeros = x.new_zeros(batch, self.n_cells)
        fw, bw = (zeros, zeros), (zeros, zeros)
        ys_fw, ys_bw = [], []
        for t in range(time):
            fw = self.forward_cell(x[:, t], fw)
            bw = self.backward_cell(x[:, time - 1 - t], bw)
            ys_fw.append(fw[0])
            ys_bw.insert(0, bw[0])
        return torch.cat([torch.stack(ys_fw, 1), torch.stack(ys_bw, 1)], dim=2), (fw[0], bw[0])


class BiCellLSTM1(BiCellLSTM):
    def forward(self, x):
        batch, time, _ = x.size()
        zeros = x.new_zeros(batch, self.n_cells)
        fw, bw = (zeros, zeros), (zeros, zeros)
        ys_fw, ys_bw = [], []
        for t in range(time):
            fw = self.forward_cell(x[:, t], (fw[0], bw[1]))
            bw = self.backward_cell(x[:, time - 1 - t], bw)
            ys_fw.append(fw[0])
            ys_bw.insert(0, bw[0])
        return torch.cat([torch.stack(ys_fw, 1), torch.stack(ys_bw, 1)], dim=2), (fw[0], bw[0])


class BiCellLSTM2(BiCellLSTM):
    def forward(self, x):
        batch, time, _ = x.size()
        zeros = x.new_zeros(batch, self.n_cells)
        fw, bw = (zeros, zeros), (zeros, zeros)
        ys_fw, ys_bw = [], []
        for t in range(time):
            fw = self.forward_cell(x[:, t], fw)
            bw = self.backward_cell(x[:, t], bw)
            ys_fw.append(fw[0])
            ys_bw.insert(0, bw[0])
        return torch.cat([torch.stack(ys_fw, 1), torch.stack(ys_bw, 1)], dim=2), (fw[0], bw[0])
