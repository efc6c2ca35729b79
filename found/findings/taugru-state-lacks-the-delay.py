import torch
from torchrecurrent import tauGRU

torch.manual_seed(0)
layer, x = tauGRU(2, 5), torch.randn(4, 3, 2)
whole, _ = layer(x)
first, state = layer(x[:2])
second, _ = layer(x[2:], state)
assert torch.allclose(second, whole[2:], atol=1e-5), f"in two pieces, outputs are off by {(second - whole[2:]).abs().max():.4f}"
