import torch
import transformers
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

torch.manual_seed(0)
config = transformers.RecurrentGemmaConfig(hidden_size=4, lru_width=4, num_attention_heads=2)
block, x, place = RecurrentGemmaRecurrentBlock(config, 0), torch.randn(1, 8, 4), torch.arange(8)[None]
for parameter in block.parameters():
    torch.nn.init.normal_(parameter, std=0.5)
whole, _ = block(x, place, None)
block.conv1d_state = None  # a new sequence
block(x[:, :5], place[:, :5], None)
apart = (block(x[:, 5:], place[:, 5:], None)[0] - whole[:, 5:]).abs().max().item()
assert apart < 1e-4, f"three tokens that go on from five are {apart:.2f} from those of one call"
