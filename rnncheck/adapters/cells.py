"""A cell (like torch.nn.LSTMCell) judged as a layer: one layer, one direction, one call of the cell a step."""

from typing import Any

import torch


class Stepwise(torch.nn.Module):
    """A cell as a layer of one direction, with torch's call.

    input:  (time, batch, input_size), or (time, input_size) if the cell takes (input_size,)
    hx:     (1, batch, hidden_size), without batch if unbatched; a pair for a cell that returns a pair
    output: (time, batch, hidden_size) and the final state in the layout of hx
    """

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, input: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, Any]:
        if not isinstance(input, torch.Tensor) or input.dim() not in (2, 3) or len(input) == 0:
            shape = tuple(input.shape) if isinstance(input, torch.Tensor) else type(input).__name__
            raise ValueError(f"input is {shape}, but should be a tensor of 3 axes, or 2 unbatched, and 1 step or more")
        parts = hx if isinstance(hx, tuple) else () if hx is None else (hx,)
        for part in parts:
            if part.dim() != input.dim() or len(part) != 1:
                expected = (1, *input.shape[1:-1], "hidden_size")
                came = f"{tuple(part.shape)}, {part.dim()} axes"
                raise RuntimeError(f"hx is {came}, but should be {expected}, {input.dim()} axes")
        state: Any = tuple(part[0] for part in parts) if isinstance(hx, tuple) else None if hx is None else hx[0]
        outputs = []
        for step in input:
            state = self.cell(step) if state is None else self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        final = tuple(part.unsqueeze(0) for part in state) if isinstance(state, tuple) else state.unsqueeze(0)
        return torch.stack(outputs), final
