import torch
from ncps.torch import CfC

layer, x, spans = CfC(2, 3), torch.randn(3, 4, 2), torch.rand(3, 4)
alone = layer(x[:1], timespans=spans[:1])[0]
assert torch.allclose(layer(x, timespans=spans)[0][:1], alone), "the first sequence has other outputs in a batch of three"
