import torch

layer = torch.ao.nn.quantizable.LSTM(2, 5).double()
layer(torch.zeros(4, 3, 2).double())  # the default state is float32, whatever the input is
