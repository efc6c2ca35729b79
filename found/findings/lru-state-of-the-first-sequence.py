import torch
from LRU_pytorch import LRU

torch.manual_seed(0)
layer, x = LRU(2, 2, 3), torch.randn(3, 4, 2)
moved = (layer(x, torch.ones(3) + 0j) - layer(x, torch.zeros(3) + 0j)).abs().amax((1, 2))
told = [round(m, 3) for m in moved.tolist()]
assert (moved > 0).all(), f"a state that is given moves the outputs of the three sequences by {told}"
