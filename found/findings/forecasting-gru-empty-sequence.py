import torch
from pytorch_forecasting.models.nn.rnn import GRU

h = torch.tensor([[[1.0], [2.0], [3.0]]])
_, h_n = GRU(1, 1, batch_first=True)(torch.zeros(3, 2, 1), h, lengths=torch.tensor([2, 1, 0]))
assert h_n[0, 2] == 3, f"no step was made, but the state of the third sequence is {h_n[0, 2, 0]}"
