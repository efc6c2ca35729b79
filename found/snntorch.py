"""Spiking LSTM of snntorch, a step a call: the output is its membrane potential, since spikes hide small errors."""

import snntorch
import torch
from jaxtyping import Float
from torch import Tensor, nn

PACKAGE = "snntorch"
JUDGED = {"SLSTM": {"target": "found.snntorch:SLSTM", "dtypes": ["float32"]}}
State = Float[Tensor, "batch hidden"]
Results = tuple[Float[Tensor, "batch time hidden"], State, State]


class SLSTM(nn.Module):
    rnncheck_mode = "other"

    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        self.cell = snntorch.SLSTM(input, hidden)

    def forward(self, x: Float[Tensor, "batch time input"], syn: State | None = None, mem: State | None = None) -> Results:
        empty = x.new_zeros(len(x), self.cell.hidden_size)
        syn, mem, outputs = empty if syn is None else syn, empty if mem is None else mem, []
        for step in x.unbind(1):
            _, syn, mem = self.cell(step, syn, mem)
            outputs.append(mem)
        return torch.stack(outputs, 1), syn, mem
