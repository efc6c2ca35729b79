"""The oracle measured: false alarms, sensitivity, cost. The tables of docs/oracle.md come from here.

    python bench/oracle.py alarms --cases 200000     no correct layer may be flagged
    python bench/oracle.py sensitivity               the smallest error that is found, beside torch.testing.assert_close
    python bench/oracle.py cost                      truth and budget as multiples of the subject's own run

One thread. `alarms` may be stopped at any time: it writes what it knows to --out every 1000 cases.
"""

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from rnncheck.config import Config
from rnncheck.oracle import budget, gradient_budget, rounding_for, truth
from rnncheck.run import Run
from tests.oracle.correct_layers import LAYERS, Data, Draw, can, gradients, module


def dtype_name(dtype: torch.dtype) -> str:
    """float32 for torch.float32."""
    return str(dtype).removeprefix("torch.")


# false alarms -----------------------------------------------------------------------------------------------------------


LAYERS_A_CASE = 3


class Tally:
    """Shares of budgets used, by group, and every alarm."""

    def __init__(self) -> None:
        self.used: dict[str, list[float]] = defaultdict(list)
        self.alarms: list[str] = []
        self.close: dict[str, list[bool]] = defaultdict(list)

    def add(self, kind: str, data: Data, name: str, used: float, case: int) -> None:
        """One case."""
        dtype = dtype_name(data.dtype)
        for group in (dtype, f"{dtype} {data.config.mode}", f"{dtype} {name}"):
            self.used[f"{kind} {group}"].append(used)
        if not used <= 1:
            self.alarms.append(f"{kind} {used:.3g}: case {case}, {name}, {dtype}, {data.config}")

    def summary(self) -> dict:
        """Per group: cases, median, quantiles, largest; the alarms; how often assert_close raises on the same cases."""
        rows = {group: _quantiles(values) for group, values in sorted(self.used.items())}
        close = {group: [len(bad), sum(bad)] for group, bad in self.close.items()}
        return {"used": rows, "alarms": self.alarms, "assert_close": close}


def _quantiles(values: list[float]) -> dict[str, float]:
    row = torch.tensor(values, dtype=torch.float64)
    return {
        "cases": len(values),
        "median": float(row.median()),
        "q99": float(row.quantile(0.99)),
        "q999": float(row.quantile(0.999)),
        "largest": float(row.max()),
    }


def _close(actual: Run, expected: Run, dtype: torch.dtype) -> bool:
    """Whether torch.testing.assert_close's defaults for this dtype accept the result."""
    try:
        for (_, a), (_, e) in zip(actual.parts(), expected.parts(), strict=True):
            torch.testing.assert_close(a, e.to(dtype), equal_nan=True)
    except AssertionError:
        return False
    return True


def alarms(cases: int, seed: int, share: float, out: Path | None) -> Tally:
    """Random correct layers on random cases, several each; the gradients of one of them for a share of the cases."""
    draw, tally, began = Draw(seed), Tally(), time.monotonic()
    for case, data in enumerate(draw.many(cases)):
        names = draw.random.sample([name for name in LAYERS if can(name, data)], LAYERS_A_CASE)
        rounding = rounding_for(data.dtype)
        found = budget(*data.arguments, rounding=rounding, seed=case)
        for name in names:
            with torch.no_grad():
                actual = LAYERS[name](data)
            tally.add("forward", data, name, found.used(actual), case)
            tally.close[dtype_name(data.dtype)].append(not _close(actual, found.truth, data.dtype))
        cotangents = draw.cotangents(data)
        if draw.random.random() < share:
            name = names[0]
            actual_gradients = gradients(LAYERS[name], data, cotangents)
            allowed = gradient_budget(*data.arguments, cotangents, rounding=rounding, seed=case)
            tally.add("gradient", data, name, allowed.used(actual_gradients), case)
        if out and (case + 1) % 1000 == 0 or case + 1 == cases:
            summary = {"seed": seed, "cases": case + 1, "seconds": time.monotonic() - began, **tally.summary()}
            if out:
                out.write_text(json.dumps(summary, indent=1))
    return tally


# sensitivity ------------------------------------------------------------------------------------------------------------


def with_error(data: Data, gate: str, error: float) -> Run:
    """The plain loop in the case's dtype with one gate (of all layers) wrong by a relative error, through its values."""
    raise NotImplementedError


# cost -------------------------------------------------------------------------------------------------------------------


def _cpu_milliseconds(f: Callable[[], object], least: float = 0.3) -> float:
    """Processor time of one call: the smallest of several rounds."""
    f()
    best, spent = float("inf"), 0.0
    while spent < least:
        began = time.process_time()
        f()
        took = time.process_time() - began
        best, spent = min(best, took), spent + took
    return 1000 * best


def cost() -> Iterator[tuple[str, ...]]:
    """Rows: layer, hidden, batch, subject forward, forward and backward, budget, and the two ratios."""
    for mode in ("RNN_TANH", "GRU", "LSTM"):
        for hidden, batch in ((64, 1), (64, 8), (512, 1), (512, 8)):
            config = Config(mode, hidden, hidden)
            layer, x = module(config, torch.float32), torch.randn(50, batch, hidden)
            parameters = {name: p.detach() for name, p in layer.named_parameters()}
            with torch.no_grad():
                forward = _cpu_milliseconds(lambda: layer(x))
            both = _cpu_milliseconds(lambda: layer(x)[0].sum().backward())
            exact = _cpu_milliseconds(lambda: truth(config, parameters, x))
            whole = _cpu_milliseconds(lambda: budget(config, parameters, x, rounding=rounding_for(x.dtype), seed=0))
            numbers = (forward, both, exact, whole, whole / forward, whole / both)
            yield mode, str(hidden), str(batch), *(f"{number:.3g}" for number in numbers)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("alarms")
    one.add_argument("--cases", type=int, default=2000)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--gradients", type=float, default=0.1, help="the share of cases whose gradients are checked too")
    one.add_argument("--out", type=Path)
    commands.add_parser("sensitivity")
    commands.add_parser("cost")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*oneDNN.*")
    if given.command == "alarms":
        print(json.dumps(alarms(given.cases, given.seed, given.gradients, given.out).summary(), indent=1))


if __name__ == "__main__":
    main()
