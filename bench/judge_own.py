"""The judge of machine-made mutants: exits with 1 as soon as a property is red on rnncheck's own layers, cells or clip.

The test command of bench/cosmic-ray.toml. Budgets come from the oracle, which shares no code with what is mutated.
"""

import sys
from itertools import islice

import torch

import rnncheck.clip
import rnncheck.nn
from rnncheck.adapters import resolve
from rnncheck.catalog import CATALOG
from rnncheck.docket import Account
from rnncheck.judge import judge, out_of_claim, trial_of
from rnncheck.settings import PROFILES
from rnncheck.strategies.plan import plan

DEAREST = 30
CASES = {"layer": 16, "clip": 200}


def first_red(targets: list[object]) -> str | None:
    """The first property that is red on one of these, cheap ones first; None if all holds."""
    for subject in resolve.probe_all([s for t in targets for s in resolve.subjects(t)], "inline"):
        props = [p for p in CATALOG.values() if (p.family == "clip") == (subject.kind == "clip") and p.cost <= DEAREST]
        accounts = [Account(prop) for prop in sorted(props, key=lambda p: p.cost)]
        for case in islice(plan(subject, ("float32", "float64"), PROFILES["ci"].strength, 0), CASES[subject.kind]):
            trial = trial_of(subject, case)
            for account in accounts:
                if out_of_claim(account.prop, subject, case) is None and account.wants(case) and judge(account.prop, trial).red:
                    return f"{account.prop.id} on {subject.name}, {case}"
    return None


def main() -> None:
    """All of ours, or those named: clip, RNN, GRU, LSTM."""
    torch.set_num_threads(1)
    named = sys.argv[1:] or ["clip", "RNN", "GRU", "LSTM"]
    red = first_red([rnncheck.clip.clip_grad_norm_ if name == "clip" else getattr(rnncheck.nn, name) for name in named])
    print(red or "all holds")
    sys.exit(red is not None)


if __name__ == "__main__":
    main()
