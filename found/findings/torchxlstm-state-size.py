import torch
from torchxlstm import sLSTM

layer, x = sLSTM(4, 3, 2), torch.randn(2, 1, 4)
_, state = layer(x)
try:
    layer(x, state)
except AssertionError as error:
    raise AssertionError(f"the state of 6 units that the layer returned is refused, since it has 4 inputs: {error!r}") from None
