"""A module in a dtype and on a device, its complex parameters complex still."""

import torch
from torch import Tensor, nn


def placed(module: nn.Module, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """Return the module in this dtype and on this device; torch's ``to`` alone drops the imaginary parts of what is complex.

    >>> module = nn.Module()
    >>> module.register_parameter("w", nn.Parameter(torch.ones(1, dtype=torch.complex64)))
    >>> placed(module, torch.float64, torch.device("cpu")).w.dtype
    torch.complex128
    """
    if not any(value.is_complex() for value in (*module.parameters(), *module.buffers())):
        return module.to(dtype=dtype, device=device)

    def of(value: Tensor) -> Tensor:
        number = dtype if value.is_floating_point() else dtype.to_complex() if value.is_complex() else value.dtype
        return value.to(device, number)

    return module._apply(of)
