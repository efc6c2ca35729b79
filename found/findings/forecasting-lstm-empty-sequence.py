import torch
from pytorch_forecasting.models.nn.rnn import LSTM

layer = LSTM(1, 1, batch_first=True)
h, c = torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[[4.0], [5.0], [6.0]]])
_, (h_n, c_n) = layer(torch.zeros(3, 2, 1), (h, c), lengths=torch.tensor([2, 1, 0]))
assert (h_n[0, 2], c_n[0, 2]) == (3, 6), f"no step was made, but h, c of the third sequence are {h_n[0, 2, 0]}, {c_n[0, 2, 0]}"
