"""Modules that draw parameters in their first call, when they see how wide their input is."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from rnncheck.core.config import Config
from rnncheck.reading import Reading
from rnncheck.reading.adapter.adapted import Adapted


@torch.no_grad()
def drawn(module: nn.Module, config: Config, reading: Reading | None, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """Return the module after one step of zeros, where it waits for an input to draw its parameters, and may be called so."""
    if any(map(is_lazy, module.parameters())) and (reading is None or not reading.called["needed"]):
        call = module if reading is None else Adapted(module, config.hidden_size, **reading.how)
        call(torch.zeros(1, 1, config.input_size, dtype=dtype, device=device))
    return module
