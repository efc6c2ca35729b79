"""The oracle measured: false alarms, sensitivity, cost. The tables of docs/oracle.md come from here.

    python bench/oracle.py alarms --cases 200000     no correct layer may be flagged (exit code 1 where one is)
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
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.oracle import ROUNDINGS, budget, gradient_budget, rounding_for, truth
from tests.oracle.correct_layers import DTYPES, LAYERS, MODELS, Data, Draw, Style, can, gradients, loop, module


def dtype_name(dtype: torch.dtype) -> str:
    """float32 for torch.float32."""
    return str(dtype).removeprefix("torch.")


# false alarms -----------------------------------------------------------------------------------------------------------


LAYERS_A_CASE = 3


class Tally:
    """Shares of budgets used, by group, and every alarm. A run counts if something is said about at least one of its numbers."""

    def __init__(self) -> None:
        self.used: dict[str, list[float]] = defaultdict(list)
        self.alarms: list[str] = []
        self.close: dict[str, list[bool]] = defaultdict(list)
        self.undecided: dict[str, list[float]] = defaultdict(list)
        self.runs = 0

    def add(self, kind: str, model: str, data: Data, name: str, used: float, undecided: float, case: int) -> None:
        """One layer on one case; undecided: the share of its numbers about which nothing is said."""
        self.undecided[f"{kind} {model}"].append(undecided)
        if undecided == 1:
            return
        self.runs += 1
        for group in (model, f"{model}, {data.config.mode}", f"{model}, {name}"):
            self.used[f"{kind} {group}"].append(used)
        if not used <= 1:
            self.alarms.append(f"{kind} {used:.3g}: case {case}, {name}, {model}, {data.config}")

    def summary(self) -> dict:
        """Per group: how many used so many hundredths of the budget, and the largest share; the alarms; assert_close's."""
        rows = {group: _histogram(values) for group, values in sorted(self.used.items())}
        close = {group: [len(bad), sum(bad)] for group, bad in self.close.items()}
        undecided = {group: [len(shares), sum(shares)] for group, shares in self.undecided.items()}
        return {"runs": self.runs, "used": rows, "alarms": self.alarms, "assert_close": close, "undecided": undecided}


def _histogram(values: list[float]) -> dict:
    """Counts of [0, 0.01), [0.01, 0.02), … [1, inf)."""
    counts = [0] * 101
    for value in values:
        counts[min(100, int(100 * min(value, 1.0)))] += 1
    return {"counts": counts, "largest": max(values)}


def merged(files: list[Path]) -> dict:
    """Several runs of `alarms` as one."""
    runs = [json.loads(file.read_text()) for file in files]
    total: dict = {name: sum(run[name] for run in runs) for name in ("cases", "runs")}
    total["alarms"] = [alarm for run in runs for alarm in run["alarms"]]
    groups = sorted({group for run in runs for group in run["used"]})
    total["used"] = {group: _sum([run["used"][group] for run in runs if group in run["used"]]) for group in groups}
    for name in ("assert_close", "undecided"):
        groups = sorted({group for run in runs for group in run[name]})
        total[name] = {g: [sum(run[name].get(g, (0, 0))[i] for run in runs) for i in (0, 1)] for g in groups}
    return total


def _sum(rows: list[dict]) -> dict:
    counts = [sum(column) for column in zip(*(row["counts"] for row in rows), strict=True)]
    return {"counts": counts, "largest": max(row["largest"] for row in rows)}


def quantile(row: dict, share: float) -> float:
    """The upper edge of the hundredth in which this share of the cases is reached."""
    total, reached = sum(row["counts"]), 0
    for hundredth, count in enumerate(row["counts"]):
        reached += count
        if reached >= share * total:
            return (hundredth + 1) / 100
    return float("inf")


def _close(actual: Run, expected: Run, dtype: torch.dtype) -> bool:
    """Whether torch.testing.assert_close's defaults for this dtype accept the result."""
    try:
        for (_, a), (_, e) in zip(actual.parts(), expected.parts(), strict=True):
            torch.testing.assert_close(a, e.to(dtype), equal_nan=True)
    except AssertionError:
        return False
    return True


def alarms(cases: int, seed: int, share: float, models: bool, out: Path | None) -> Tally:
    """Random correct layers on random cases, several each; the gradients of one of them for a share of the cases.

    models: float32 cases instead, on which layers run that round as another model says.
    """
    draw, tally, began = Draw(seed, (torch.float32,) if models else DTYPES), Tally(), time.monotonic()
    for case, data in enumerate(draw.many(cases)):
        if models:
            name = draw.random.choice(list(MODELS))
            if can(name, data):
                _forward_as(tally, data, name, case)
                if draw.random.random() < share:
                    _backward(tally, data, *MODELS[name], _representable(draw.cotangents(data), MODELS[name][0]), case, name)
        else:
            names = draw.random.sample([name for name in LAYERS if can(name, data)], LAYERS_A_CASE)
            _forward(tally, data, names, case)
            if draw.random.random() < share:
                layer = LAYERS[names[0]]
                _backward(tally, data, rounding_for(data.dtype).name, layer, draw.cotangents(data), case, names[0])
        if out and ((case + 1) % 1000 == 0 or case + 1 == cases):
            summary = {"seed": seed, "cases": case + 1, "seconds": time.monotonic() - began, **tally.summary()}
            out.write_text(json.dumps(summary, indent=1))
    return tally


@torch.no_grad()
def _forward(tally: Tally, data: Data, names: list[str], case: int) -> None:
    model = rounding_for(data.dtype)
    found = budget(*data.arguments, rounding=model, seed=case)
    for name in names:
        actual = LAYERS[name](data)
        tally.add("forward", model.name, data, name, found.used(actual), found.undecided, case)
        tally.close[dtype_name(data.dtype)].append(not _close(actual, found.truth, data.dtype))


def _backward(tally: Tally, data: Data, model: str, layer: Callable[[Data], Run], cotangents: Run, case: int, name: str) -> None:
    actual = gradients(layer, data, cotangents)
    found = gradient_budget(*data.arguments, cotangents, rounding=ROUNDINGS[model], seed=case)
    unsaid = [bool(part.isinf().all()) for part in found.allowed.values() if part.numel()]
    tally.add("gradient", model, data, name, found.used(actual), sum(unsaid) / len(unsaid), case)


def _representable(cotangents: Run, model: str) -> Run:
    """Numbers of the results' dtype, as a gradient budget takes them to be."""
    return cotangents.map(lambda part: part.to(ROUNDINGS[model].dtype).float())


@torch.no_grad()
def _forward_as(tally: Tally, data: Data, name: str, case: int) -> None:
    model, layer = MODELS[name]
    found = budget(*data.arguments, rounding=ROUNDINGS[model], seed=case)
    tally.add("forward", model, data, name, found.used(layer(data)), found.undecided, case)


def table(total: dict) -> Iterator[str]:
    """Markdown: the distribution per dtype and layer, the alarms, and assert_close's false alarms."""
    yield f"{total['cases']} cases, {total['runs']} runs of layers on them, {len(total['alarms'])} alarms."
    yield "| | runs | median | 99 % | 99.9 % | largest |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for group, row in total["used"].items():
        shares = " | ".join(f"{quantile(row, share):.2f}" for share in (0.5, 0.99, 0.999))
        yield f"| {group} | {sum(row['counts'])} | {shares} | {row['largest']:.3f} |"
    for dtype, (runs, bad) in total["assert_close"].items():
        yield f"assert_close, {dtype}: {bad} of {runs} correct results refused ({100 * bad / runs:.2g} %)"
    for group, (runs, shares) in total["undecided"].items():
        yield f"undecided, {group}: {100 * shares / runs:.2g} % of the numbers"
    yield from total["alarms"]


# sensitivity ------------------------------------------------------------------------------------------------------------


SPOILED: dict[str, tuple[str, Callable[[float], Style]]] = {
    "RNN_TANH: h times 1 + e": ("RNN_TANH", lambda e: Style(gate=lambda k, v: v * (1 + e))),
    "GRU: z times 1 + e": ("GRU", lambda e: Style(gate=lambda k, v: v * (1 + e) if k == "z" else v)),
    "LSTM: f times 1 + e": ("LSTM", lambda e: Style(gate=lambda k, v: v * (1 + e) if k == "f" else v)),
    "LSTM: o times 1 + e": ("LSTM", lambda e: Style(gate=lambda k, v: v * (1 + e) if k == "o" else v)),
    "LSTM: sigmoid + e sin(7 x)": ("LSTM", lambda e: Style(sigmoid=lambda a: torch.sigmoid(a) + e * torch.sin(7 * a))),
}
"""A systematic error of size e, the mode it is planted in, and the layer that has it."""


def generic(mode: str, dtype: torch.dtype, seed: int) -> Data:
    """Sizes 3 to 7, time 8 to 20, weights of standard deviation 1/2, everything else 1."""
    draw = Draw(seed)
    config = Config(mode, draw.random.randint(3, 7), draw.random.randint(3, 7))
    time, batch = draw.random.randint(8, 20), 3
    parameters = {name: (draw.normal(*shape) / 2).to(dtype) for name, shape in config.parameter_shapes().items()}
    c_0 = draw.normal(1, batch, config.hidden_size).to(dtype) if config.takes_tuple else None
    x, h_0 = draw.normal(time, batch, config.input_size).to(dtype), draw.normal(1, batch, config.hidden_size).to(dtype)
    return Data(config, dtype, parameters, x, h_0, c_0, None)


SMALLEST = 1e-15
"""What assert_close finds below this is no error that was made: it refuses the correct result."""


def smallest(found: Callable[[float], bool]) -> float:
    """The smallest e = 10 ** (k / 8) that is found, by bisection."""
    low, high = -8 * 16, 8
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(10 ** (middle / 8)) else (middle, high)
    return 10 ** (high / 8)


def sensitivity(cases: int) -> Iterator[tuple[str, ...]]:
    """Rows: error, dtype, the smallest e found in half of the cases and in any, the same by assert_close in half of those
    whose correct result it accepts, and how many it refuses.

    The spoiled layer computes in float64 and rounds at the end where the error is smaller than the dtype can hold.
    """
    for what, (mode, spoil) in SPOILED.items():
        for dtype in DTYPES:
            ours, theirs = [], []
            for seed in range(cases):
                data = generic(mode, dtype, seed)
                found = budget(*data.arguments, rounding=rounding_for(dtype), seed=seed)
                wide = replace(
                    data,
                    dtype=torch.float64,
                    parameters={name: value.double() for name, value in data.parameters.items()},
                    x=data.x.double(),
                    h_0=data.h_0.double(),
                    c_0=None if data.c_0 is None else data.c_0.double(),
                )
                own = loop(data, Style()).map(torch.Tensor.double)
                exact = loop(wide, Style())

                def run(e: float, wide: Data = wide, own: Run = own, exact: Run = exact, spoil: Callable = spoil) -> Run:
                    wrong = loop(wide, spoil(e))
                    parts = zip(own.parts(), wrong.parts(), exact.parts(), strict=True)
                    return Run(*((o + w - x).to(data.dtype) for (_, o), (_, w), (_, x) in parts))

                ours.append(smallest(lambda e: found.used(run(e)) > 1))
                theirs.append(smallest(lambda e: not _close(run(e), found.truth, dtype)))
            refused = sum(error < SMALLEST for error in theirs)
            told = sorted(error for error in theirs if error >= SMALLEST)
            close = f"{told[len(told) // 2]:.1e}" if told else "none"
            yield what, dtype_name(dtype), f"{sorted(ours)[cases // 2]:.1e}", f"{min(ours):.1e}", close, f"{refused} of {cases}"


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


def _costs(config: Config, batch: int) -> tuple[float, ...]:
    """Milliseconds of torch's layer, of a loop in Python, of the truth and of the budget: forward, 50 steps in float32."""
    layer, x = module(config, torch.float32), torch.randn(50, batch, config.input_size)
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    h_0, c_0 = torch.zeros(1, batch, config.hidden_size), torch.zeros(1, batch, config.hidden_size)
    data = Data(config, torch.float32, parameters, x, h_0, c_0 if config.takes_tuple else None, None)

    def quietly(f: Callable[[], object]) -> float:
        with torch.no_grad():
            return _cpu_milliseconds(f)

    return (
        quietly(lambda: layer(x)),
        quietly(lambda: loop(data, Style())),
        _cpu_milliseconds(lambda: truth(config, parameters, x)),
        _cpu_milliseconds(lambda: budget(config, parameters, x, rounding=rounding_for(x.dtype), seed=0)),
    )


def cost() -> Iterator[tuple[str, ...]]:
    """Rows: layer, hidden, batch, the four times, and the budget's as multiples of the first two."""
    for mode in ("RNN_TANH", "GRU", "LSTM"):
        for hidden, batch in ((64, 1), (64, 8), (512, 1), (512, 8)):
            times = _costs(Config(mode, hidden, hidden), batch)
            numbers = (*times, times[3] / times[0], times[3] / times[1])
            yield mode, str(hidden), str(batch), *(f"{number:.3g}" for number in numbers)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("alarms")
    one.add_argument("--cases", type=int, default=2000)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--gradients", type=float, default=0.1, help="the share of cases whose gradients are checked too")
    one.add_argument("--models", action="store_true", help="layers that round as TF32, autocast and float64 sums do")
    one.add_argument("--out", type=Path)
    commands.add_parser("sensitivity").add_argument("--cases", type=int, default=100)
    commands.add_parser("cost")
    commands.add_parser("table").add_argument("files", nargs="+", type=Path, help="what alarms wrote")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*oneDNN.*")
    if given.command == "alarms":
        tally = alarms(given.cases, given.seed, given.gradients, given.models, given.out)
        print(f"{given.cases} cases, {tally.runs} runs, {len(tally.alarms)} alarms", *tally.alarms, sep="\n")
        sys.exit(int(bool(tally.alarms)))
    elif given.command == "table":
        print(*table(merged(given.files)), sep="\n")
    else:
        rows = cost() if given.command == "cost" else sensitivity(given.cases)
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
