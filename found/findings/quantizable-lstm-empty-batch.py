import torch

torch.nn.LSTM(2, 5)(torch.zeros(4, 0, 2))
torch.ao.nn.quantizable.LSTM(2, 5)(torch.zeros(4, 0, 2))
