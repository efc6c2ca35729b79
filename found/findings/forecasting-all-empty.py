import torch
from pytorch_forecasting.models.nn.rnn import GRU

h = torch.ones(1, 3, 1)
_, h_n = GRU(1, 1, batch_first=True)(torch.zeros(3, 2, 1), h, lengths=torch.zeros(3, dtype=torch.long))
assert torch.equal(h_n, h), "no step was made, but the state is no longer the one that was given"
