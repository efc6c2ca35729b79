"""A Triton kernel judged without a GPU: h_t = sigmoid(gate_t) h_{t-1} + x_t, in Triton's interpreter.

    pip install triton && TRITON_INTERPRET=1 rnncheck verify examples/triton_scan.py:leaky_sum

The backward is the same scan from the end. It calls ``Scan.apply``, and not the kernel: autograd cannot see into a kernel, so
second derivatives would be wrong and nothing would say so, also under ``once_differentiable``. ``gradient.second`` finds that.
"""

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

Sequence, State = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


@triton.jit
def scan_kernel(decay, x, first, out, time, units, BLOCK: tl.constexpr):
    """out[t] = decay[t] out[t-1] + x[t], a program for each sequence; tensors are (batch, time, units), first (batch, units)."""
    row, column = tl.program_id(0), tl.arange(0, BLOCK)
    inside = column < units
    h = tl.load(first + row * units + column, mask=inside, other=0.0)
    for t in range(time):
        at = (row * time + t) * units + column
        h = tl.load(decay + at, mask=inside, other=0.0) * h + tl.load(x + at, mask=inside, other=0.0)
        tl.store(out + at, h, mask=inside)


def scan(decay: Tensor, x: Tensor, first: Tensor) -> Tensor:
    """Launch the kernel on tensors of any memory layout."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    batch, time, units = x.shape
    if x.numel():
        block = triton.next_power_of_2(units)
        scan_kernel[(batch,)](decay.contiguous(), x.contiguous(), first.contiguous(), out, time, units, BLOCK=block)
    return out


class Scan(torch.autograd.Function):
    """The scan, and its backward: the same scan from the end, with the decays one step later."""

    @staticmethod
    def forward(ctx, decay: Tensor, x: Tensor, first: Tensor) -> Tensor:
        out = scan(decay, x, first)
        ctx.save_for_backward(decay, out, first)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, out, first = ctx.saved_tensors
        later = torch.cat([torch.zeros_like(first)[:, None], decay.flip(1)], 1)[:, :-1]
        of_x = Scan.apply(later, gradient.flip(1), torch.zeros_like(first)).flip(1)
        before = torch.cat([first[:, None], out], 1)[:, :-1]
        of_first = (decay * of_x)[:, :1].sum(1)
        return of_x * before, of_x, of_first


def leaky_sum(gate: Sequence, x: Sequence, initial_state: State | None = None) -> tuple[Sequence, State]:
    """Return every h_t and the last one."""
    first = torch.zeros_like(x[:, 0]) if initial_state is None else initial_state
    out = Scan.apply(torch.sigmoid(gate), x, first)
    return out, out[:, -1].clone()
