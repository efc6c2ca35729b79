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
from rnncheck.campaign.order import BLOCK
from rnncheck.catalog import CATALOG
from rnncheck.engine import Engine, Inline, Job, WorkerContext
from rnncheck.engine.current_check import Record
from rnncheck.engine.processes import Processes
from rnncheck.judging.judge import out_of_claim
from rnncheck.strategies.plan import plan

CHEAP = 8
"""The largest cost of the properties that are checked."""
DTYPES = ("float32", "float64", "bfloat16", "float16")


def jobs(shop: WorkerContext, cases: int) -> list[Job]:
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


def cost_of_a_crash(shop: WorkerContext) -> float:
    """Seconds from nothing to a worker that has done one check and ended: what each crash costs beyond its check."""
    one = [Job(0, "judge", 0, jobs(shop, 1)[0].cases, (("shape.output",),))]
    return min(measure(Processes(shop, 1), one)[0] for _ in range(5))


def measured(shop: WorkerContext, work: list[Job], repeats: int) -> dict[str, tuple[float, float, int]]:
    """The smallest wall and CPU time of each way of doing the work, and the checks made; taken in turns."""
    makers = {"inline": lambda: Inline(shop), "one": lambda: Processes(shop, 1), "two": lambda: Processes(shop, 2)}
    taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in makers}
    for _ in range(repeats):
        for name, make in makers.items():
            taken[name].append(measure(make(), work))
    return {name: (min(t[0] for t in times), min(t[1] for t in times), times[0][2]) for name, times in taken.items()}


def nights(seconds: float) -> str:
    """What 8 hours cover, if a case takes so much CPU time and there is a worker for each core."""
    rows = [f"| {machines} x 16 | {machines * 16 * 8 * 3600 / seconds:,.0f} |" for machines in (1, 4, 16)]
    return "\n".join(["| machines x cores | cases in 8 hours |", "|---|---:|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cheap = {id: p for id, p in CATALOG.items() if p.cost <= CHEAP and p.about == "layer"}
    shop = WorkerContext([torch_nn("LSTM")], cheap, lambda subject: subject.claims)
    work = jobs(shop, options.cases)
    measure(Inline(shop), work[:2])
    taken = measured(shop, work, options.repeats)
    checks = taken["one"][2]
    print(f"{checks} checks of {len(cheap)} properties on {options.cases} cases of torch.nn.LSTM")
    for said, a, b in (("one isolated worker against inline", "one", "inline"), ("two workers against one", "two", "one")):
        print(f"{said}: wall x {taken[a][0] / taken[b][0]:.2f}, CPU x {taken[a][1] / taken[b][1]:.2f}")
    record = Record()
    writing = min(timeit.repeat(lambda: record.write(1, 2, "time.split"), number=10_000, repeat=3)) / 10_000
    print(f"a check, isolated: {1e3 * taken['one'][1] / checks:.1f} ms of CPU; putting it on record: {1e6 * writing:.1f} us")
    print(f"a fresh worker, its first check included: {1e3 * cost_of_a_crash(shop):.0f} ms")
    print(f"a case with all of them: {taken['one'][1] / options.cases:.2f} s of CPU; calculated from that:")
    print(nights(taken["one"][1] / options.cases))


if __name__ == "__main__":
    main()
