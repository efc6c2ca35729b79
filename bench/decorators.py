"""What the contracts cost where they run: CPU time of a training run with them, as a ratio to the same run without.

    python bench/decorators.py            # about ten minutes

watch 0.01: a character model, embedding to loss, clipping and an optimizer that is watched too, a hundredth of calls and steps
            looked at, besides the first; watch 1.0: every one. Of a small model 200 steps, of one of a usual size 100.
checked:    one call of a function of three tensors with its annotations enforced and without.

With and without are run in turn, and the median of the ratios of each pair is told, with the smallest and largest.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.clip import clip_grad_norm_

SYMBOLS = 64
SIZES = {"small": (200, 16, 40, 96), "usual": (100, 32, 50, 256)}
"""steps, batch, time, hidden"""


def training(kind: type[nn.RNNBase], size: str, around: Callable[..., Any]) -> Callable[[], None]:
    """The steps, inside ``around(model, optimizer=...)``."""
    count, batch, time, hidden = SIZES[size]
    embed, rnn, read = nn.Embedding(SYMBOLS, hidden), kind(hidden, hidden), nn.Linear(hidden, SYMBOLS)
    model = nn.ModuleList([embed, rnn, read])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    text = torch.randint(SYMBOLS, (time + 1, batch))

    def steps() -> None:
        with around(model, optimizer=optimizer):
            for _ in range(count):
                optimizer.zero_grad()
                logits = read(rnn(embed(text[:-1]))[0])
                nn.functional.cross_entropy(logits.flatten(0, 1), text[1:].flatten()).backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()

    return steps


def calls(checked: bool) -> Callable[[], None]:
    """A thousand calls of a function of three tensors."""

    def cell(
        x: Float[Tensor, "batch input"], h: Float[Tensor, "batch hidden"], w: Float[Tensor, "hidden input"]
    ) -> Float[Tensor, "batch hidden"]:  # noqa: E501
        return torch.tanh(x @ w.T + h)

    function = rnncheck.checked(cell) if checked else cell
    x, h, w = torch.randn(16, 96), torch.randn(16, 96), torch.randn(96, 96)

    def run() -> None:
        for _ in range(1000):
            function(x, h, w)

    return run


def ratio(with_it: Callable[[], None], without: Callable[[], None], times: int = 9) -> str:
    """CPU seconds with / without, pair by pair, in turn: the median, and from where to where they go."""
    found = []
    for i in range(times + 1):
        taken = []
        for work in (with_it, without) if i % 2 else (without, with_it):
            started = time.process_time()
            work()
            taken.append(time.process_time() - started)
        if i:  # the first warms up
            found.append(taken[0] / taken[1] if i % 2 else taken[1] / taken[0])
    found.sort()
    return f"{found[times // 2]:.3f}  ({found[0]:.3f} to {found[-1]:.3f})"


def main() -> None:
    """Print a line a measurement."""
    torch.set_num_threads(1)
    for size, times in (("small", 9), ("usual", 5)):
        for kind in (nn.GRU, nn.LSTM):
            for sample in (0.01, 1.0):
                watched = training(kind, size, partial(rnncheck.watch, sample=sample, policy="count", max_norm=1.0))
                plain = training(kind, size, lambda model, optimizer: nullcontext())
                print(f"watch {sample:<5} {size} {kind.__name__:5} {ratio(watched, plain, times)}", flush=True)
    print(f"checked, a call of tanh(x w + h)  {ratio(calls(True), calls(False))}")


if __name__ == "__main__":
    main()
