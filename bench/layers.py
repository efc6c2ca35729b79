"""Our typed layers against torch.nn's on the CPU: seconds as ratios (ours / torch), taken in turn in one run.

python bench/layers.py
"""

import time
from collections.abc import Callable

import torch
from torch import nn

import rnncheck.nn as typed

SIZES = ((1, 10, 8, 8), (8, 20, 32, 32), (16, 50, 64, 64), (32, 50, 128, 128), (32, 100, 256, 512))
"""(batch, time, input, hidden)"""


def forward(layer: nn.Module, x: torch.Tensor) -> None:
    """One call without gradients."""
    with torch.no_grad():
        layer(x)


def forward_backward(layer: nn.Module, x: torch.Tensor) -> None:
    """One call and the gradients of its output's sum."""
    layer(x)[0].sum().backward()


def median_ratio(ours: Callable[[], None], torchs: Callable[[], None], times: int = 15) -> float:
    """The median of ours / torch, pair by pair."""
    ratios = []
    for i in range(times + 2):
        taken = []
        for work in (ours, torchs):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        if i >= 2:  # the first two warm up
            ratios.append(taken[0] / taken[1])
    return sorted(ratios)[times // 2]


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    print("layer  batch time input hidden   forward  forward+backward   (ours / torch)")
    for name in ("RNN", "GRU", "LSTM"):
        for batch, steps, inputs, hidden in SIZES:
            x = torch.randn(steps, batch, inputs)
            ours, torchs = getattr(typed, name)(inputs, hidden), getattr(nn, name)(inputs, hidden)
            ratios = [median_ratio(lambda: work(ours, x), lambda: work(torchs, x)) for work in (forward, forward_backward)]  # noqa: B023
            print(f"{name:5} {batch:6} {steps:4} {inputs:5} {hidden:6} {ratios[0]:9.2f} {ratios[1]:17.2f}")


if __name__ == "__main__":
    main()
