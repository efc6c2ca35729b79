import torch
from opacus.layers import DPLSTM

torch.manual_seed(0)
x, dropped = torch.randn(4, 3, 2), {}
for made in (torch.nn.LSTM, DPLSTM):
    layer = made(2, 5, num_layers=2, dropout=0.5)
    dropped[made] = int((layer(x)[0] == 0).sum())
assert dropped[DPLSTM] == dropped[torch.nn.LSTM] == 0, f"{dropped[DPLSTM]} outputs of the last layer are 0"
