import torch
from arrayLSTM import LSTM

LSTM(2, 3).double()(torch.zeros(1, 4, 2).double())  # the default state is float32, whatever the input is
