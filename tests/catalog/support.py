"""What the tests of the catalog's families share: a mutant as a subject, and a property judged on planned cases."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

from torch import nn

from rnncheck.adapters.torch_layers import torch_like, torch_nn
from rnncheck.campaign.tally import too_large
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import MODES, Mode
from rnncheck.core.property import Property
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import Outcome
from rnncheck.judging.judge import OUR_MISTAKE, judge, out_of_claim
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan

DTYPES = ("float32", "float64", "bfloat16", "float16")
MODES_OF = {nn.RNN: ("RNN_TANH", "RNN_RELU"), nn.GRU: ("GRU",), nn.LSTM: ("LSTM",)}
VISITED = 600
"""Planned cases that are looked at, at most, for those that a property applies to."""
TRIES = 8
"""How often a property that finds nothing to compare is asked again, for each case that it should have."""
VISITED_BY_SEVERAL = 60
"""The same where several properties share them: one that none of these is for has a test of its own."""


def subject_of(mutant) -> Subject:
    """A mutant (or a correct variant) of kind "layer" as a subject that claims what torch.nn's layer offers."""
    return torch_like(mutant.target, MODES_OF[mutant.like], mutant.target.__name__, without=mutant.without)


def claiming(feature: str, mutant) -> Subject:
    """A mutant or a correct variant that claims this feature as well."""
    subject = subject_of(mutant)
    return replace(subject, claims={**subject.claims, feature: Claim(True, "declared")})


def torch_subject(mode: Mode) -> Subject:
    """torch.nn's layer of this one mode."""
    return replace(torch_nn(mode), modes=(mode,), name=f"torch.nn, {mode}")


TORCH = {mode: torch_subject(mode) for mode in MODES}

_plans: dict[tuple[str, int], tuple[list[Case], Iterator[Case]]] = {}


def planned(subject: Subject, seed: int = 0, within: int = VISITED) -> Iterator[Case]:
    """The subject's plan: rows that cover every pair of structural axes, then odd and deep cases. Drawn once."""
    offered = sorted(name for name, claim in subject.claims.items() if claim.offered)
    key = (f"{subject.modes} {offered} {subject.fixed} {dict(subject.nature)}", seed)
    drawn, coming = _plans.setdefault(key, ([], plan(subject, DTYPES, 2, seed)))
    for i in range(within):
        if i == len(drawn):
            drawn.append(next(coming))
        yield drawn[i]


def outcomes(prop: Property, subject: Subject, count: int, seed: int = 0) -> Iterator[tuple[Case, Outcome]]:
    """(case, outcome) of the first ``count`` planned cases that the property applies to and the subject claims."""
    fitting = (case for case in planned(subject, seed) if not too_large(prop, case, fixed=subject.fixed is not None))
    judged = ((case, judge(prop, Trial(subject, case))) for case in fitting)
    return islice((_not_ours(pair) for pair in judged if pair[1].status not in ("not_applicable", "not_claimed")), count)


def _not_ours(pair: tuple[Case, Outcome]) -> tuple[Case, Outcome]:
    """A mistake of our own is no kill and no pass."""
    assert not (pair[1].reason or "").startswith(OUR_MISTAKE), pair
    return pair


def killed(prop: Property, subject: Subject, count: int = 60, seed: int = 0) -> tuple[Case, Outcome] | None:
    """The first case on which the property is red, within ``count`` applicable ones; None if there is none."""
    return next((pair for pair in outcomes(prop, subject, count, seed) if pair[1].red), None)


def complaints(prop: Property, subject: Subject, count: int, seed: int = 0) -> list[str]:
    """What a property has against a subject that should be clean: a line a red case, empty if all is well."""
    return all_complaints([prop.id], subject, count, seed)


def all_complaints(ids: Iterable[str], subject: Subject, count: int, seed: int = 0) -> list[str]:
    """The same of several properties, each on its own first ``count`` cases."""
    seen = judged(dict.fromkeys(ids, count), subject, seed)
    return [f"{subject.name}, {case}: {outcome.mismatches or outcome.reason}" for case, outcome in seen if outcome.red]


def judged(counts: Mapping[str, int], subject: Subject, seed: int = 0) -> Iterator[tuple[Case, Outcome]]:
    """(case, outcome) of several properties, each on its own first cases; what is computed of a case serves them all."""
    left, tries = dict(counts), {id: TRIES * cases for id, cases in counts.items()}
    for case in planned(subject, seed, VISITED_BY_SEVERAL):
        trial, large = Trial(subject, case), partial(too_large, case=case, fixed=subject.fixed is not None)
        wanted = [CATALOG[id] for id, cases in left.items() if cases and tries[id]]
        for prop in wanted:
            if out_of_claim(prop, subject, case) is not None or large(prop):
                continue
            pair = _not_ours((case, judge(prop, trial)))
            tries[prop.id] -= 1
            if pair[1].status not in ("not_applicable", "not_claimed"):
                left[prop.id] -= 1
                yield pair
        if not wanted:
            break
