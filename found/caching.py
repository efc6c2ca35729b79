"""Mixers of transformers, whose state lies in a cache object: the adapter takes it apart into two tensors."""

from importlib import import_module
from typing import Any

import transformers
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

KERNEL = 3
"""Taps of the convolution; the last two inputs of it are its state."""
ONE = {"num_hidden_layers": 1}
X = Float[Tensor, "batch time 8"]


def mixer(model: str, name: str, conv: int, ssm: str, **settings: Any) -> type[nn.Module]:
    """Return a module around a mixer of 8 features, whose states are the last inputs of its convolution and the recurrent one."""
    window, matrix = Float[Tensor, f"batch {conv} {KERNEL - 1}"], Float[Tensor, f"batch {ssm}"]

    class Cached(nn.Module):
        rnncheck_claims = {"training": "a cache is for inference"}

        def __init__(self) -> None:
            super().__init__()
            self.config = transformers.AutoConfig.for_model(model, hidden_size=8, **settings)
            self.layer = getattr(import_module(f"transformers.models.{model}.modeling_{model}"), name)(self.config, layer_idx=0)
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=0.5)

        def forward(self, x: X, conv: window | None = None, ssm: matrix | None = None) -> tuple[X, window, matrix]:  # type: ignore[valid-type]
            cache = transformers.DynamicCache(config=self.config)
            if conv is not None:
                cache.update_conv_state(pad(conv, (1, 0)), 0)
                cache.update_recurrent_state(ssm, 0)
            y, layer = self.layer(x, cache_params=cache), cache.layers[0]
            states = (kept if isinstance(kept, Tensor) else kept[0] for kept in (layer.conv_states, layer.recurrent_states))
            conv, ssm = states
            return y, conv[..., 1:], ssm

    Cached.__name__ = Cached.__qualname__ = name
    return Cached
