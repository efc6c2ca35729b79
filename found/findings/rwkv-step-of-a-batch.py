import torch
from transformers import RwkvConfig, RwkvModel

sizes = {"vocab_size": 7, "hidden_size": 8, "attention_hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2}
model, tokens = RwkvModel(RwkvConfig(**sizes)).eval(), torch.zeros(2, 3, dtype=torch.long)
state = model(tokens, use_cache=True).state
step = model(tokens[:, :1], state=state, use_cache=True).last_hidden_state
assert step.shape == (2, 1, 8), f"a step of two sequences gives {tuple(step.shape)}: each sequence is given the state of each"
