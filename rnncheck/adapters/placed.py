"""A module in a dtype and on a device, its complex parameters complex still."""

import torch
from torch import Tensor, nn

from rnncheck.core.subject import NotClaimed


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


def require_no_memory(made: object) -> None:
    """Raise NotClaimed where a constructor that was called on the meta device allocates its parameters all the same.

    Of production sizes these would fill the machine's memory.

    >>> require_no_memory(nn.Linear(2, 3, device="meta"))
    >>> require_no_memory(nn.Linear(2, 3))
    Traceback (most recent call last):
    rnncheck.core.subject.NotClaimed: the constructor allocates weight there, as torch.Tensor(2, 3) does and torch.empty does not
    """
    for name, parameter in made.named_parameters() if isinstance(made, nn.Module) else ():
        if not parameter.is_meta:
            raise NotClaimed(f"the constructor allocates {name} there, as torch.Tensor(2, 3) does and torch.empty does not")
