import torch
from minGRU_pytorch.minLSTM import minLSTM

torch.manual_seed(0)
layer, x = minLSTM(2), torch.randn(1, 4, 2)
_, state = layer(x[:, :2], return_next_prev_hidden=True)
apart = (layer(x)[:, 2:] - layer(x[:, 2:], state)).abs().max().item()
assert apart < 1e-4, f"two steps that go on from the state of the two before are {apart:.2f} from those of one call"
