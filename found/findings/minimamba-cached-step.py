import torch
from minimamba import InferenceParams
from minimamba.config import MambaLMConfig
from minimamba.s6 import S6

layer = S6(MambaLMConfig(d_model=4, n_layer=1, vocab_size=5, d_state=3), layer_idx=0)
layer(torch.randn(1, 1, 4), InferenceParams())  # a step with a cache, as generate() makes it
