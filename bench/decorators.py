"""What the contracts cost where they run: CPU time of a training step with them, as a ratio to the same step without.

    python bench/decorators.py

watch 0.01: 200 steps of a small character model, embedding to loss, clipping and optimizer, a hundredth of the calls looked
            at; watch 1.0: every call. checked: one call of a layer's forward with its annotations enforced and without.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.clip import clip_grad_norm_

STEPS, BATCH, TIME, SYMBOLS, HIDDEN = 200, 16, 40, 64, 96


def training(kind: type[nn.RNNBase], around: Callable[[nn.Module], Any]) -> Callable[[], None]:
    """The steps, inside ``around(model)``."""
    embed, rnn, read = nn.Embedding(SYMBOLS, HIDDEN), kind(HIDDEN, HIDDEN), nn.Linear(HIDDEN, SYMBOLS)
    model = nn.ModuleList([embed, rnn, read])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    text = torch.randint(SYMBOLS, (TIME + 1, BATCH))

    def steps() -> None:
        with around(model):
            for _ in range(STEPS):
                optimizer.zero_grad()
                logits = read(rnn(embed(text[:-1]))[0])
                nn.functional.cross_entropy(logits.flatten(0, 1), text[1:].flatten()).backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()

    return steps


def calls(checked: bool) -> Callable[[], None]:
    """A thousand calls of a function of three tensors."""

    def cell(x: Float[Tensor, "batch input"], h: Float[Tensor, "batch hidden"], w: Float[Tensor, "hidden input"]) -> Float[Tensor, "batch hidden"]:  # noqa: E501
        return torch.tanh(x @ w.T + h)

    function = rnncheck.checked(cell) if checked else cell
    x, h, w = torch.randn(BATCH, HIDDEN), torch.randn(BATCH, HIDDEN), torch.randn(HIDDEN, HIDDEN)

    def run() -> None:
        for _ in range(1000):
            function(x, h, w)

    return run


def ratio(with_it: Callable[[], None], without: Callable[[], None], times: int = 9) -> float:
    """The median of CPU seconds with / without, pair by pair, in turn."""
    found = []
    for i in range(times + 1):
        taken = []
        for work in (with_it, without) if i % 2 else (without, with_it):
            started = time.process_time()
            work()
            taken.append(time.process_time() - started)
        if i:  # the first warms up
            found.append(taken[0] / taken[1] if i % 2 else taken[1] / taken[0])
    return sorted(found)[times // 2]


def main() -> None:
    """Print a line a measurement."""
    torch.set_num_threads(1)
    for kind in (nn.GRU, nn.LSTM):
        for sample in (0.01, 1.0):
            watched = training(kind, lambda model: rnncheck.watch(model, sample=sample, policy="count", max_norm=1.0))
            plain = training(kind, lambda model: nullcontext())
            print(f"watch {sample:<5} {kind.__name__:5} {ratio(watched, plain):.3f}", flush=True)
    print(f"checked, a call of tanh(x w + h)  {ratio(calls(True), calls(False)):.2f}")


if __name__ == "__main__":
    main()
