"""What isolation costs, and what a second worker gains: ``python bench/isolation.py [--cases N] [--repeats N]``.

The same jobs (torch.nn.LSTM, the cheap properties of the catalog) inline, in one isolated worker, and in two. Printed are
ratios, since seconds say more about the machine than about rnncheck. Wall time is the smallest of the repeats; CPU time,
of the parent and its workers together, tells the overhead apart from what else the machine was doing.
"""

import argparse
import resource
import time
import timeit
import warnings
from contextlib import closing
from itertools import islice

import torch

from rnncheck.adapters.torch_layers import torch_nn
from rnncheck.catalog import CATALOG
from rnncheck.docket import BLOCK
from rnncheck.engine import Engine, Inline, Job, Workshop
from rnncheck.engine.processes import Processes
from rnncheck.engine.record import Record
from rnncheck.judge import out_of_claim
from rnncheck.strategies.plan import plan

CHEAP = 8
"""The largest cost of the properties that are checked."""
DTYPES = ("float32", "float64", "bfloat16", "float16")


def jobs(shop: Workshop, cases: int) -> list[Job]:
    """Blocks of planned cases with every cheap property that applies."""
    (subject,) = shop.subjects
    planned = iter(islice(plan(subject, DTYPES, 2, 0), cases))
    made = []
    while block := tuple(islice(planned, BLOCK)):
        names = tuple(tuple(id for id, p in shop.catalog.items() if out_of_claim(p, subject, case) is None) for case in block)
        made.append(Job(len(made), "judge", 0, block, names))
    return made


def cpu() -> float:
    """Seconds of CPU time, of this process and of those that it has ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure(engine: Engine, work: list[Job]) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, checks) of doing the work, the making and ending of workers included."""
    started, used = time.perf_counter(), cpu()
    with closing(engine):
        checks = sum(len(done.outcomes) for done in engine.run(work))
    return time.perf_counter() - started, cpu() - used, checks


def cost_of_a_crash(shop: Workshop) -> float:
    """Seconds from nothing to a worker that has done one check and ended: what each crash costs beyond its check."""
    one = [Job(0, "judge", 0, jobs(shop, 1)[0].cases, (("shape.output",),))]
    return min(measure(Processes(shop, 1), one)[0] for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cheap = {id: p for id, p in CATALOG.items() if p.cost <= CHEAP and p.family != "clip"}
    shop = Workshop([torch_nn("LSTM")], cheap, lambda subject: subject.claims)
    work = jobs(shop, options.cases)
    measure(Inline(shop), work[:2])
    makers = {"inline": lambda: Inline(shop), "one": lambda: Processes(shop, 1), "two": lambda: Processes(shop, 2)}
    taken = {name: [measure(make(), work) for _ in range(options.repeats)] for name, make in makers.items()}
    wall = {name: min(t[0] for t in times) for name, times in taken.items()}
    used = {name: min(t[1] for t in times) for name, times in taken.items()}
    record = Record()
    writing = min(timeit.repeat(lambda: record.write(1, 2, "time.split"), number=10_000, repeat=3)) / 10_000
    print(f"{taken['one'][0][2]} checks of {len(shop.catalog)} properties on {options.cases} cases of torch.nn.LSTM")
    for said, a, b in (("one isolated worker against inline", "one", "inline"), ("two workers against one", "two", "one")):
        print(f"{said}: wall x {wall[a] / wall[b]:.2f}, CPU x {used[a] / used[b]:.2f}")
    print(f"a check, inline: {1e3 * wall['inline'] / taken['inline'][0][2]:.2f} ms; putting it on record: {1e6 * writing:.1f} us")
    print(f"a fresh worker, its first check included: {1e3 * cost_of_a_crash(shop):.0f} ms")


if __name__ == "__main__":
    main()
