"""How a mutant is hunted: the default profile's cases in their order, cheap properties first, until one is red."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

import torch

from rnncheck.adapters.clip_functions import clip_function, probed
from rnncheck.adapters.step_functions import probed_step, step_function
from rnncheck.adapters.with_lengths import taking_lengths
from rnncheck.backend.torch_state import preserved
from rnncheck.campaign.settings import PROFILES
from rnncheck.campaign.subject_run import PropertyTally, kind_of
from rnncheck.catalog import CATALOG, select
from rnncheck.core.property import Property
from rnncheck.core.subject import Claim, Subject
from rnncheck.core.verdict import Outcome
from rnncheck.judging.judge import OUR_MISTAKE, judge, out_of_claim, trial_of
from rnncheck.judging.shrink import shrink
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed

DTYPES = ("float32", "float64", "bfloat16", "float16")

ASKED = ("agree.autocast", "gradient.forward_mode")
"""Properties whose features a probe asks for, too: some bugs show there alone."""
DEAR = 100
"""Properties that cost more (compilers, gradcheck of second order) are hunted with only where no other is meant for it."""


TO_CLAIM = {"time.in_pieces": "in_pieces", "batch.invariant": "batch_invariant", "gradient.repeatable": "repeatable"}
"""Properties of what a layer has to claim, and the feature."""


@dataclass(frozen=True)
class Kill:
    """The first property that is red on a mutant, on which case, and what it took."""

    prop: Property
    case: Any
    outcome: Outcome
    cases: int
    seconds: float


def subject_of(mutant: Any) -> Subject:
    """A mutant of any kind as a subject."""
    from tests.catalog.support import subject_of as layer_subject

    if mutant.kind == "clip":
        return probed(clip_function(mutant.target, mutant.target.__name__))
    if mutant.kind == "step":
        return probed_step(step_function(mutant.target, mutant.target.__name__))
    if mutant.kind == "pair":
        return claimed(mutant.target, mutant.like, "pair")
    if mutant.kind == "cell":
        subject = claimed(mutant.target, kind="cell", asked=ASKED)
        return replace(subject, claims=_claims_of_a_cell(mutant.clean))  # what its clean twin offers it claims
    return taking_lengths(layer_subject(mutant)) if mutant.kind == "lengths" else layer_subject(mutant)


@cache
def _claims_of_a_cell(clean: type) -> Mapping[str, Claim]:
    return claimed(clean, kind="cell", asked=ASKED).claims


def planted(prop: Property, bug: str) -> Subject:
    """A planted bug, also one outside of MUTANTS, as a subject that claims or is compared with what the property needs."""
    from tests.catalog.support import TORCH, claiming
    from tests.mutants import EXTRA, MUTANTS
    from tests.recurrences.test_forms import FormWithoutState
    from tests.strangers import mistaken_arguments, mixed_halves, results_beside, shared_layers, sliced, stateful, well_hidden
    from tests.typed import caches, mistaken_flags
    from tests.typed.test_range import slope_lost_at_one

    strangers = (*mistaken_arguments.MISTAKES, *results_beside.MISTAKES, results_beside.BridgedOverPadding, shared_layers.OneForAll,
                 mixed_halves.LeftTurned, sliced.SlicedTwice, stateful.BufferedGRU2, stateful.StatefulLSTM, stateful.StatefulLSTM1,
                 well_hidden.DropsInEval)  # fmt: skip
    typed = {one.__name__: one for one in (*caches.MISTAKES, *mistaken_flags.MISTAKES, slope_lost_at_one, *strangers)}
    if bug == "form-without-state" or bug.replace("-", "_") in typed:
        return claimed(typed.get(bug.replace("-", "_"), FormWithoutState), asked=ASKED)
    mutant = {**EXTRA, **MUTANTS}[bug]
    if prop.id in TO_CLAIM:
        return claiming(TO_CLAIM[prop.id], mutant)
    subject = subject_of(mutant)
    return replace(subject, reference=TORCH[subject.modes[0]]) if prop.id == "agree.against" else subject


def first_kill(subject: Subject, cases: int = PROFILES["ci"].cases, among: tuple[str, ...] = ("*",),
               strict: bool = True) -> Kill | None:  # fmt: skip
    """As a campaign of the default profile would find it, on one core.

    among: globs over the properties; strict: whether a convention that is not kept counts
    """
    chosen = [p for p in select(",".join(among)) if p.about == subject.kind]
    cheap = [p for p in chosen if p.cost <= DEAR]
    props = sorted(cheap or chosen, key=lambda p: p.cost)
    tallies = [PropertyTally(prop) for prop in props]
    started = time.perf_counter()
    for number, case in enumerate(islice(plan(subject, DTYPES, PROFILES["ci"].strength, 0), cases), 1):
        trial = trial_of(subject, case)
        for tally in tallies:
            if out_of_claim(tally.prop, subject, case) is not None or not tally.wants(case, **kind_of(case, subject)):
                continue
            outcome = judged(tally.prop, trial)
            assert not (outcome.reason or "").startswith(OUR_MISTAKE), outcome
            if outcome.red and (strict or tally.prop.warns_of(outcome.mismatches) is None):
                return Kill(tally.prop, case, outcome, number, time.perf_counter() - started)
    return None


def judged(prop: Property, trial: Any) -> Outcome:
    """As a campaign judges: whatever the subject does to torch's settings is undone."""
    with preserved():
        return judge(prop, trial)


def killers(subject: Subject, case: Any, dearest: int = DEAR) -> list[str]:
    """Every property (that costs at most ``dearest``) that is red on this case."""
    trial = trial_of(subject, case)
    fitting = (p for p in CATALOG.values() if p.about == subject.kind and p.cost <= dearest)
    return [p.id for p in fitting if out_of_claim(p, subject, case) is None and judged(p, trial).red]


def smallest(subject: Subject, kill: Kill) -> Any:
    """The case of a kill, shrunk."""
    return shrink(kill.case, lambda case: judged(kill.prop, trial_of(subject, case)).status == kill.outcome.status).case


torch.set_num_threads(1)
