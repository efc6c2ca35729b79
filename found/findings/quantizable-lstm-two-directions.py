import torch

layer = torch.ao.nn.quantizable.LSTM(2, 5, num_layers=2, bidirectional=True)
layer(torch.zeros(4, 3, 2))  # torch.nn.LSTM: outputs of shape (4, 3, 10)
