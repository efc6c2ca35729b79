import torch
from torchxlstm import mLSTM

torch.manual_seed(0)
layer, x = mLSTM(6, 3, 2), torch.randn(4, 3, 6)
off = (layer(x)[0][:, :1] - layer(x[:, :1])[0]).abs().max().item()
assert off < 1e-5, f"the first sequence's outputs in a batch of three are off by {off:.4f} from those alone"
