"""How fast rnncheck verifies: ratios taken in one run, so that they hold on any machine.

    python bench/verify.py [--cases 300]

floor       draw the same cases and run only the subject's forward
one-run     the properties that look at the subject's own run and nothing else, through rnncheck.verify
agreement   agree.forward: the run, the truth in float64, and its allowed error
everything  every property

Beside it stand the cases a CPU second, and their ratio to the floor's, which what else the machine does changes least.
"""

import argparse
import time
from collections.abc import Callable
from itertools import islice

import torch

import rnncheck
from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan

ONE_RUN = "shape.output,shape.state,shape.dtype_device,gate.state_bound"
DTYPES = ("float32", "float64", "bfloat16", "float16")


def floor(count: int) -> None:
    """Draw the cases, build the layer, run it, and look at nothing."""
    subject = torch_nn("LSTM")
    for case in islice(plan(subject, DTYPES, 3, 0), count):
        Trial(subject, case).run  # noqa: B018


def verify(properties: str, count: int) -> Callable[[], object]:
    """A whole verification of torch.nn.LSTM in this process."""
    return lambda: rnncheck.verify(torch.nn.LSTM, properties=properties, max_examples=count, engine="inline", budget="10m")


def seconds(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Return the median wall time, and the median CPU time."""
    taken = []
    for _ in range(times):
        started, used = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started, time.process_time() - used))
    wall, cpu = (sorted(column)[times // 2] for column in zip(*taken, strict=True))
    return wall, cpu


def main() -> None:
    """Print a line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    count = parser.parse_args().cases
    torch.set_num_threads(1)
    floor(count)
    base, used = seconds(lambda: floor(count))
    print(f"floor        {count / base:7.0f} cases/s            {count / used:7.1f} cases a CPU second")
    for name, properties in (("one-run", ONE_RUN), ("agreement", "agree.forward"), ("everything", "*")):
        taken, cpu = seconds(verify(properties, count), 1 if properties == "*" else 3)
        share = f"{count / cpu:7.2f} cases a CPU second, {used / cpu:.3f} of the floor"
        print(f"{name:12} {count / taken:7.0f} cases/s   {base / taken:.2f} of the floor   {share}")


if __name__ == "__main__":
    main()
