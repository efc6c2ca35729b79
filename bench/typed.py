"""False alarms on recurrences that are read from their types: right ones, on cases that are drawn at random.

    python bench/typed.py [judgements] [seed]        no property may be red on them (exit code 1 where one is)

One thread. It may be stopped at any time: what is known is printed every 1000 judgements.
"""

import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from examples.gated_linear_attention import chunked, loop, parallel
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.tally import too_large
from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, out_of_claim, trial_of
from rnncheck.strategies.plan import plan
from tests.typed.caches import RIGHT as CACHED
from tests.typed.right import RIGHT

SLOW = {
    "agree.compiled",
    "agree.exported",
    "batch.many",
    "batch.cliffs",
    "numeric.many_steps",
    "numeric.finite",
    "numeric.finite_gradient",
}
"""Properties that take seconds on each case."""
DTYPES = ("float64", "float32", "bfloat16", "float16")
CASES = 4
"""Cases of a plan that are judged before the next subject's turn."""


def main(wanted: int, seed: int) -> int:
    """Judge this number of times; return how many verdicts were red."""
    torch.set_num_threads(1)
    targets = [(f"tests/typed/right.py:{name}", options) for name, options in RIGHT.items()]
    targets += [(target, {}) for target in (chunked, parallel, loop, *CACHED)] + [
        (chunked, {"against": loop}),
        (parallel, {"against": loop}),
    ]
    settled = probe_all([subject for target, options in targets for subject in subjects(target, **options)], "inline")
    props = [prop for id, prop in CATALOG.items() if prop.about == "layer" and id not in SLOW]
    seen: Counter[str] = Counter()
    alarms, started = [], time.monotonic()
    while seen["holds"] + len(alarms) < wanted:
        for subject in settled:
            for case in islice(plan(subject, DTYPES, 2, seed), 60 if seed % 4 == 3 else CASES):
                trial = trial_of(subject, case)
                for prop in props:
                    if too_large(prop, case) or out_of_claim(prop, subject, case) is not None:
                        continue
                    outcome = judge(prop, trial)
                    seen[outcome.status] += 1
                    warns = prop.severity == "convention" and outcome.status == "errored" or prop.warns_of(outcome.mismatches)
                    if outcome.red and not warns:
                        alarms.append(f"{prop.id} of {subject.name}: {outcome.mismatches or outcome.reason}; {case}")
                        print(alarms[-1], flush=True)
                    if sum(seen.values()) % 1000 == 0:
                        print(f"{dict(seen)}, {len(alarms)} alarms, {time.monotonic() - started:.0f} s", flush=True)
        seed += 1
    print(f"{dict(seen)}, {len(alarms)} alarms, {time.monotonic() - started:.0f} s")
    return len(alarms)


if __name__ == "__main__":
    sys.exit(min(1, main(*(int(word) for word in (sys.argv[1:] + ["20000", "0"][len(sys.argv) - 1 :])))))
