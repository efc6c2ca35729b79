"""The judge of machine-made mutants: which property is red on rnncheck's own layers or clip, and on which planned case.

The test command of bench/cosmic-ray.toml, which exits with 1 as soon as one is red, and what bench/mutation.py calls.
Budgets come from the oracle, which shares no code with what is mutated.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tree that is mutated, not one that is installed

from rnncheck import oracle
from rnncheck.adapters.targets import resolve
from rnncheck.adapters.torch_layers import TorchLike
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.settings import PROFILES
from rnncheck.campaign.subject_run import PropertyTally
from rnncheck.catalog import CATALOG
from rnncheck.core.subject import Subject
from rnncheck.judging.judge import judge, out_of_claim, trial_of
from rnncheck.strategies.plan import plan

OWN = {"clip": "rnncheck.clip", "RNN": "rnncheck.nn", "GRU": "rnncheck.nn", "LSTM": "rnncheck.nn"}
"""What is judged, and the module it is in."""
DEAREST = 30
CASES = {"layer": 40, "clip": 200}
DTYPES = ("float32", "float64", "bfloat16", "float16")

Place = tuple[int, str]
"""A planned case, by its number, and a property."""


def target(name: str) -> Any:
    """The layer or function of this name, from the module as it is now."""
    return getattr(import_module(OWN[name]), "clip_grad_norm_" if name == "clip" else name)


def subject(name: str) -> Subject:
    """With the claims of what is right; a mutant is given them too, for what it does not offer any more is a bug."""
    (found,) = probe_all(resolve.subjects(target(name)), "inline")
    return found


def built_anew(name: str, clean: Subject) -> Subject:
    """The clean subject's claims, and whatever is in its module now."""
    made = target(name)
    return Subject(clean.name, clean.kind, made if name == "clip" else TorchLike(made), clean.modes, clean.claims)


def planned(subject: Subject) -> list[Any]:
    """The first cases of the default profile."""
    return list(islice(plan(subject, DTYPES, PROFILES["ci"].strength, 0), CASES[subject.kind]))


def places(subject: Subject, cases: Sequence[Any]) -> list[Place]:
    """Every case with each property that a campaign would check on it, cheap ones first."""
    fitting = (p for p in CATALOG.values() if p.about == subject.kind and p.cost <= DEAREST)
    tallies = [PropertyTally(prop) for prop in sorted(fitting, key=lambda p: p.cost)]
    return [
        (number, tally.prop.id) for number, case in enumerate(cases) for tally in tallies
        if out_of_claim(tally.prop, subject, case) is None and tally.wants(case)
    ]  # fmt: skip


def first_red(subject: Subject, cases: Sequence[Any], where: Iterable[Place]) -> Place | None:
    """The first of these places at which the subject is red; None if all holds."""
    trials: dict[int, Any] = {}
    for number, id in where:
        trial = trials.setdefault(number, None) or trial_of(subject, cases[number])
        trials[number] = trial
        if judge(CATALOG[id], trial).red:
            return number, id
    return None


def remember_budgets() -> None:
    """The oracle's answers are kept: mutants are asked about the same cases again and again."""
    for name in ("budget", "gradient_budget"):
        setattr(oracle, name, _remembering(getattr(oracle, name)))


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, Any] = {}

    def ask(*args: Any, **options: Any) -> Any:
        key = _content((args, options))
        if key not in known:
            known[key] = function(*args, **options)
        return known[key]

    return ask


def _content(value: Any) -> Any:
    """Something that is equal for equal content, tensors included."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().contiguous().reshape(-1)
        return value.dtype, tuple(value.shape), flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    if isinstance(value, Mapping):
        return tuple((name, _content(part)) for name, part in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_content, value))
    if is_dataclass(value):
        return tuple(_content(getattr(value, f.name)) for f in fields(value))
    return value


def main() -> None:
    """All of ours, or those named: clip, RNN, GRU, LSTM."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or OWN:
        one = subject(name)
        cases = planned(one)
        red = first_red(one, cases, places(one, cases))
        if red is not None:
            sys.exit(f"{red[1]} on {one.name}, {cases[red[0]]}")
    print("all holds")


if __name__ == "__main__":
    main()
