import torch
from ncps.torch import CfC

CfC(2, 3).bfloat16()(torch.zeros(1, 4, 2).bfloat16())  # the default state is float32, whatever the input is
