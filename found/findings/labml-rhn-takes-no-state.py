import torch
from labml_nn.recurrent_highway_networks import RHN

layer, x = RHN(2, 3, depth=2, n_layers=1), torch.zeros(4, 1, 2)
_, state = layer(x)
try:
    layer(x, state)
except TypeError as error:
    raise AssertionError(f"the state that the layer returned is refused: {error}") from None
