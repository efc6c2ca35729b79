"""Our typed layers against torch.nn's on a device, and how many cases are verified there in a second.

    python bench/gpu.py [--device cuda] [--layers RNN,GRU,LSTM] [--ways eager,compiled,graphs] [--repeats 30] [--cases 200]

Times are medians in milliseconds of device events (on the CPU: of a clock), each pair taken in turn in one run; ratios are
ours / torch. ``graphs`` are captured CUDA graphs, so there are none elsewhere. Exit code 3 where the device is not here.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import rnncheck
import rnncheck.nn as typed
from rnncheck.backend.devices import is_here
from rnncheck.backend.environment import environment
from rnncheck.catalog.tools.cuda_graphs import on_cuda

SIZES = ((1, 10, 8, 8), (8, 20, 32, 32), (32, 50, 128, 128), (64, 100, 256, 512), (128, 100, 512, 1024))
"""(batch, time, input, hidden)"""
WAYS = ("eager", "compiled", "graphs")
LAYERS = ("RNN", "GRU", "LSTM")
WARM_UP = 3
ABSENT = 3
PROPERTIES = "shape.*,agree.forward,time.split,gradient.reference"

Work = Callable[[], object]


def milliseconds(work: Work, device: str) -> float:
    """How long the device takes for it."""
    if not device.startswith("cuda"):
        started = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - started)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def medians(works: tuple[Work, ...], device: str, repeats: int) -> tuple[float, ...]:
    """The median time of each, taken in turns after a warm-up."""
    taken = [[milliseconds(work, device) for work in works] for _ in range(WARM_UP + repeats)][WARM_UP:]
    return tuple(sorted(column)[repeats // 2] for column in zip(*taken, strict=True))


def forward(layer: nn.Module, x: torch.Tensor, way: str) -> Work:
    """One call without gradients."""
    if way == "graphs":
        replay = on_cuda(lambda given: (layer(given)[0],), (x,))
        return lambda: replay(x)
    called = torch.compile(layer, dynamic=False) if way == "compiled" else layer

    def work() -> None:
        with torch.no_grad():
            called(x)

    return work


def forward_backward(layer: nn.Module, x: torch.Tensor, way: str) -> Work:
    """One call and the gradients of its output's sum."""
    called = torch.compile(layer, dynamic=False) if way == "compiled" else layer
    if way == "graphs":
        called = torch.cuda.make_graphed_callables(layer, (x,))
    return lambda: called(x)[0].sum().backward()


@dataclass(frozen=True)
class Row:
    """Milliseconds of ours and of torch's."""

    layer: str
    size: tuple[int, ...]
    way: str
    forward: tuple[float, ...]
    both: tuple[float, ...]

    def __str__(self) -> str:
        shape = " ".join(f"{n:6}" for n in self.size)
        times = "".join(f"{ours:10.3f} {theirs:9.3f} {ours / theirs:7.2f}" for ours, theirs in (self.forward, self.both))
        return f"{self.layer:5} {shape}  {self.way:8}{times}"


HEAD = "layer  batch   time  input hidden  way         forward     torch   ratio   forward+    torch   ratio"


def measured(name: str, size: tuple[int, ...], way: str, device: str, repeats: int) -> Row:
    """One line of the table."""
    batch, steps, inputs, hidden = size
    x = torch.randn(steps, batch, inputs, device=device)

    def pair(work: Callable[[nn.Module, torch.Tensor, str], Work]) -> tuple[float, ...]:
        layers = (getattr(of, name)(inputs, hidden, device=device) for of in (typed, nn))
        return medians(tuple(work(layer, x, way) for layer in layers), device, repeats)

    return Row(name, size, way, pair(forward), pair(forward_backward))


def cases_a_second(device: str, count: int) -> float:
    """Of torch.nn.LSTM, with a few properties, in this process."""
    started = time.perf_counter()
    report = rnncheck.verify(nn.LSTM, device=device, properties=PROPERTIES, max_examples=count, engine="inline", budget="10m")
    return report.subjects[0].cases / (time.perf_counter() - started)


def main(words: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--cases", type=int, default=200)
    options = parser.parse_args(words)
    if not is_here(options.device):
        print(f"there is no device {options.device} here: nothing was measured (--device cpu runs the same on the CPU)")
        return ABSENT
    known = environment()
    print(f"{options.device}: {known['devices'] or known['cpu_capability']}, torch {known['torch']}, cuDNN {known['cudnn']}")
    print(HEAD)
    for name in options.layers.split(","):
        for size in SIZES:
            for way in options.ways.split(","):
                if way != "graphs" or options.device.startswith("cuda"):
                    print(measured(name, size, way, options.device, options.repeats), flush=True)
    print(f"{cases_a_second(options.device, options.cases):.0f} cases of torch.nn.LSTM verified a second ({PROPERTIES})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
