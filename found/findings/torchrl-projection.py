import torch
from torchrl.modules.tensordict_module.rnn import LSTM

outputs = LSTM(1, 2, proj_size=1)(torch.zeros(1, 1, 1))[0]
assert outputs.shape == (1, 1, 1), f"outputs should have proj_size = 1 features, but have shape {tuple(outputs.shape)}"
