import torch
from pytorch_forecasting.models.nn.rnn import GRU

x, layer = torch.zeros(3, 4, 1), GRU(1, 1, batch_first=True)
steps = [layer(x, lengths=torch.full((3,), longest))[0].shape[1] for longest in (0, 1)]
assert steps == [4, 4], f"the same input of 4 steps gives outputs of {steps} steps"
