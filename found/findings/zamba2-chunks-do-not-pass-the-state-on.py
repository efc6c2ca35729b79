import torch
from transformers import Zamba2Config
from transformers.models.zamba2.modeling_zamba2 import Zamba2MambaMixer

torch.manual_seed(0)
sizes = {"hidden_size": 8, "mamba_d_state": 3, "mamba_expand": 1, "n_mamba_heads": 2, "mamba_headdim": 4, "mamba_ngroups": 1}
x, outputs = torch.randn(1, 12, 8), []
for chunk_size in (16, 4):
    config = Zamba2Config(**sizes, chunk_size=chunk_size, num_hidden_layers=1, layers_block_type=["mamba"], num_attention_heads=2)
    layer = Zamba2MambaMixer(config, layer_idx=0)
    torch.manual_seed(1)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    outputs.append(layer(x).detach())
off = (outputs[0] - outputs[1]).abs().max().item()
assert off < 1e-4, f"chunks of 4 steps give outputs that are off by {off:.3f} from those of one chunk"
