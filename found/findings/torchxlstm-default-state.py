import torch
from torchxlstm import sLSTM

sLSTM(4, 2, 2).double()(torch.zeros(2, 1, 4).double())  # the default state is float32, whatever the input is
