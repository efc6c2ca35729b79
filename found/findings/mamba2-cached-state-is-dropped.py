import torch
from transformers import DynamicCache, Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

torch.manual_seed(0)
config = Mamba2Config(hidden_size=8, num_heads=2, head_dim=4, state_size=3, n_groups=1, expand=1, num_hidden_layers=1)
layer, x, cache = Mamba2Mixer(config, layer_idx=0), torch.randn(1, 6, 8), DynamicCache(config=config)
for parameter in layer.parameters():
    torch.nn.init.normal_(parameter, std=0.3)
with torch.no_grad():
    whole = layer(x, cache_params=None)
    pieces = torch.cat([layer(x[:, :3], cache_params=cache), layer(x[:, 3:], cache_params=cache)], 1)
off = (pieces - whole).abs().amax((0, 2)).tolist()
assert max(off) < 1e-4, f"in pieces of three tokens, outputs are off by {', '.join(f'{one:.3f}' for one in off)}"
