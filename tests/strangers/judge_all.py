"""Judge every layer of the table, or every mistake, as the command line would without any help.

    python -m tests.strangers.judge_all [--mistakes] [--quick] [--every N] [--jobs N] [--budget S] [--json FILE] [NAME ...]

One line each: the layer, what came out, and the headline of each cause. The last lines count.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from .table import STRANGERS

HERE = Path(__file__).parent
TELLING = ",".join((
    "shape.output", "shape.state", "shape.dtype_device", "state.*", "time.*", "batch.alone", "batch.beside",
    "batch.permute", "batch.gradient_alone", "batch.unbatched", "layout.no_mutation", "lengths.*", "gate.one_step", "agree.forward",
    "agree.against", "gradient.reference", "gradient.numerical", "gradient.every_output", "gradient.split", "mode.repeatable",
    "mode.rng", "weights.trainable", "weights.flags", "direction.*", "layer.*", "life.interleaved", "argument.rows",
    "argument.resets", "argument.causal", "argument.used",
))  # fmt: skip
"""Properties that tell the mistakes of the table, and cost little."""
FEW = 12
"""Cases of a quick look."""


REFERENCES = {
    "RNN": "torch.nn.RNN", "GRU": "torch.nn.GRU", "LSTM": "torch.nn.LSTM", "GRU, reset before the product": "rnncheck.nn.GRU",
}  # fmt: skip
"""The layer that has the equations of a family."""


def targets(mistakes: bool, names: list[str]) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """Return what is judged, with what a headline should name and the reference without which the mistake cannot be told."""
    for stranger in STRANGERS:
        reference = REFERENCES.get(stranger.reads["family"])
        wrong = [(m.layer, m.says, reference if m.against else None) for m in stranger.mistakes]
        for layer, says, against in wrong if mistakes else [(stranger.layer, None, None)]:
            if not names or layer.__name__ in names or stranger.name in names:
                file = layer.__module__.rpartition(".")[2]
                yield f"{HERE / file}.py:{layer.__name__}", (says, against)


def judged(target: str, budget: float, **options: Any) -> dict[str, Any]:
    """Return the exit code, the causes, and what was warned of; ``refused`` says why where it is not read."""
    import torch

    import rnncheck

    torch.set_num_threads(1)
    started = time.monotonic()
    try:
        report = rnncheck.verify(target, engine="inline", budget=budget, profile="smoke", **options)
    except rnncheck.UsageError as error:
        return {"target": target, "refused": str(error), "seconds": time.monotonic() - started}
    (subject,) = report.subjects
    refused = None if subject.claims["batched"].offered or subject.claims["unbatched"].offered else subject.claims["batched"].why
    return {
        "target": target,
        "code": report.exit_code,
        "refused": refused,
        "reading": subject.reading,
        "causes": [(cause.headline, [v.property for v in cause.verdicts]) for cause in subject.causes],
        "details": {v.property: v.mismatch or v.reason for v in subject.verdicts if v.red},
        "warned": [v.property for v in subject.verdicts if v.verdict == "warns"],
        "holds": sum(v.verdict == "holds" for v in subject.verdicts),
        "cases": subject.cases,
        "seconds": time.monotonic() - started,
    }


def verdict_of(found: dict[str, Any]) -> str:
    """Return clean, red, refused or incomplete."""
    if found["refused"]:
        return "refused"
    return {0: "clean", 1: "red", 3: "incomplete"}[found["code"]]


def main() -> None:
    """Judge, print a line each, and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--mistakes", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few cases of the properties that tell most")
    parser.add_argument("--every", type=int, default=1, help="judge each N-th only")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=float, default=12.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    every = dict(list(targets(given.mistakes, given.names))[:: given.every])
    options = {"properties": TELLING, "max_examples": FEW} if given.quick else {}
    results = []
    with ProcessPoolExecutor(given.jobs) as pool:
        jobs = [pool.submit(judged, target, given.budget, against=against, **options) for target, (_, against) in every.items()]
        for done in as_completed(jobs):
            found = {**done.result(), "says": every[done.result()["target"]][0]}
            results.append(found)
            name, told = found["target"].rpartition(":")[2], verdict_of(found)
            causes = [f"{headline} ({len(properties)})" for headline, properties in found.get("causes", ())]
            print(f"{name:24} {told:10} {found['says'] or '':30} {found['refused'] or ' | '.join(causes)}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    print(dict(Counter(map(verdict_of, results))))


if __name__ == "__main__":
    main()
