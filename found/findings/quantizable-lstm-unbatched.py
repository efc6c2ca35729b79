import torch

x = torch.randn(4, 2)  # a sequence of four steps without a batch
expected = torch.nn.LSTM(2, 5)(x)[0].shape
assert torch.ao.nn.quantizable.LSTM(2, 5)(x)[0].shape == expected, "outputs have a batch axis of 2, the number of features"
