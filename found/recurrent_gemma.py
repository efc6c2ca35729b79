"""The recurrent block of RecurrentGemma, which keeps its convolution's window and its state as attributes of modules."""

import torch
import transformers
from jaxtyping import Float
from torch import Tensor, nn
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

PACKAGE = "transformers"
JUDGED = {"RecurrentGemma": {"target": "found.recurrent_gemma:Block", "dtypes": ["float32"], "budget": 240}}
CONFIG = transformers.RecurrentGemmaConfig(hidden_size=6, lru_width=6, num_attention_heads=2, num_hidden_layers=1)
X, Window, H = Float[Tensor, "batch time 6"], Float[Tensor, "batch 6 3"], Float[Tensor, "batch 6"]


class Block(nn.Module):
    rnncheck_claims = {"training": "a cache is for inference"}

    def __init__(self) -> None:
        super().__init__()
        self.layer = RecurrentGemmaRecurrentBlock(CONFIG, 0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5)

    def forward(self, x: X, window: Window | None = None, h: H | None = None) -> tuple[X, Window, H]:
        self.layer.conv1d_state, self.layer.rg_lru.recurrent_states = window, h
        y, _ = self.layer(x, torch.ones(x.shape[:2], dtype=torch.long), None)
        return y, self.layer.conv1d_state, self.layer.rg_lru.recurrent_states
