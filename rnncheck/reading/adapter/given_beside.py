"""What is given beside the input in each call. Scripts show this file where a layer needs more than its input."""

from typing import Any

import torch

NODES = (1.0, -0.5, 0.25, 2.0, 0.75, -1.5)
"""What each feature is multiplied by at each node of a graph: it is seen where nodes are mixed up."""


def filled(shape: str, kind: str, value: float, input: torch.Tensor, rows: int, hidden: int, batch_first: bool = False) -> Any:
    """A further argument of one value throughout, or growing from step to step; or times, a vector or a memory that are the same
    for each row; or a graph.
    """
    if shape == "number":
        return {"float": float, "bool": bool, "long": int}[kind](value)
    if shape == "count":
        return rows
    front = input.shape[:-1]
    if shape == "graph":
        neighbours = torch.ones(len(NODES), len(NODES), dtype=input.dtype, device=input.device).triu(-1).tril(1)  # in a chain
        return neighbours.nonzero().T if kind == "long" else neighbours / 3
    sizes = {"steps": front, "steps 1": (*front, 1), "features": input.shape, "hidden": (*front, hidden)}
    sizes |= {"rows": (rows,), "rows 1": (rows, 1), "memory mask": (rows, 2), "memory mask first": (2, rows)}
    if shape == "vector":
        return (value * torch.linspace(-1, 1, hidden, dtype=input.dtype, device=input.device)).repeat(rows, 1)
    if shape == "times":
        steps = front[0] if len(front) == 1 else front.numel() // rows
        return value * torch.arange(steps, dtype=input.dtype, device=input.device) / 2
    if shape in ("memory", "memory first") and kind == "long":
        return torch.arange(2, device=input.device)[:, None].expand(2, rows).movedim(0, int(shape == "memory")).contiguous()
    if shape in ("memory", "memory first"):
        whole = value * torch.linspace(-1, 1, 2 * hidden, dtype=input.dtype, device=input.device).view(2, 1, hidden)
        return whole.expand(2, rows, hidden).movedim(0, int(shape == "memory")).contiguous()
    if kind == "growing":
        later = torch.arange(front[int(batch_first and len(front) > 1)], dtype=input.dtype, device=input.device)
        axes = (1, -1) if batch_first and len(front) > 1 else (-1, *[1] * (len(front) - 1))
        return (value * later.view(axes).expand(front).reshape(sizes[shape])).contiguous()
    dtype = {"float": input.dtype, "bool": torch.bool, "long": torch.long}[kind]
    return torch.full(sizes[shape], value, dtype=dtype, device=input.device)
