"""A model beside the reference that it replaces: ``class ModelNew`` and ``class Model`` with get_inputs() and get_init_inputs()."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.probing.declared_claims import declared_claims
from rnncheck.core.case import DTYPES
from rnncheck.core.features import PAIR_FEATURES
from rnncheck.core.pair_case import PairCase
from rnncheck.core.plain_text import said
from rnncheck.core.subject import Claim, NotClaimed, Subject
from rnncheck.errors import UsageError
from rnncheck.running.pair import Pair, PairReading, Unmatched, built, cast, function_of
from rnncheck.running.pair_draws import default_dtype
from rnncheck.running.pair_reading import read_pair
from rnncheck.running.pair_results import poison, tensors
from rnncheck.running.pair_trial import PairTrial
from rnncheck.running.pair_weights import can_forget_slowly
from rnncheck.running.subject_errors import SubjectError, seeded

EXAMPLES = ("get_inputs", "get_init_inputs")
THE_REFERENCE = Claim(False, "declared", "it is the reference")
YES = Claim(True, "probed")


def is_example(located: Any) -> bool:
    """Whether it is a class whose module has get_inputs() and get_init_inputs()."""
    module = sys.modules.get(getattr(located.object, "__module__", ""))
    return isinstance(located.object, type) and all(callable(getattr(module, name, None)) for name in EXAMPLES)


def pair_of(candidate: Any, reference: Any) -> Subject:
    """A pair as a subject; raises UsageError where it is none. Both are rnncheck.adapters.targets.locate.Located."""
    for located in (candidate, reference):
        if not (isinstance(located.object, type) and issubclass(located.object, nn.Module)):
            raise UsageError(f"{located.name}: is {located.object!r:.40}, but should be a class of torch.nn.Module")
    for name in EXAMPLES:
        function_of(reference, name)
    claims = declared_claims(candidate.object, candidate.name)
    known = Subject(reference.name, "pair", None, claims=dict.fromkeys(PAIR_FEATURES, THE_REFERENCE))
    source = None if candidate.lines is None else f"{candidate.lines}\n\nbuild = {candidate.expression}"
    pair, read_as = Pair(candidate, reference), f"model beside {reference.name}"
    return Subject(candidate.name, "pair", pair, claims=claims, source=source, reference=known, read_as=read_as)


def probed_pair(subject: Subject) -> tuple[PairReading, Mapping[str, Claim]]:
    """The reading of the reference, and a claim for each feature; what the candidate declares goes unprobed.

    Raises UsageError where the reference cannot be run.
    """
    reading = read_pair(subject.build)
    pair = Pair(subject.build.candidate, subject.build.reference, reading)
    given = _runs(pair, PairCase(small=False))
    if reading.smaller is None:
        small = Claim(False, "probed", "the reference takes none that were tried")
    else:
        small = _runs(pair, PairCase())
    case = PairCase(small=small.offered)
    dtypes = {f"pair_{dtype}": _in_dtype(pair, case.but(dtype=dtype)) for dtype in DTYPES}
    claims = {
        "given": given, "small": small, **dtypes, "weights": YES,
        "rows": _axis(bool(reading.rows), "batch"), "steps": _axis(bool(reading.steps), "time"),
        "exchange": Claim(bool(reading.permutes), "probed", "the results of the reference do not follow them"),
        "draws": Claim(reading.draws, "probed", "the reference draws none"),
        **_of_reference(pair, case),
        "pair_gradients": _gradients(pair, case),
    }  # fmt: skip
    return reading, {**claims, **subject.claims}


def _axis(free: bool, name: str) -> Claim:
    return Claim(free, "probed", f"no {name} axis of the reference was found that may have another length")


def _runs(pair: Pair, case: PairCase) -> Claim:
    """Whether the candidate can be built, given the reference's weights, and called."""
    try:
        trial = PairTrial(Subject("", "pair", pair), case)
        session = trial.session()
        session.call(trial.inputs())
    except Unmatched as error:
        return Claim(False, "probed", str(error))
    except (SubjectError, NotClaimed) as error:
        call = f"{error}; should take what the reference takes: {_call(pair, case)}"
        return Claim(False, "probed", call)
    return YES


def _call(pair: Pair, case: PairCase) -> str:
    positional, named = pair.init(pair.reading.smaller if case.small and pair.reading else None)
    told = ", ".join([*(f"{value!r:.30}" for value in positional), *(f"{name}={value!r:.30}" for name, value in named.items())])
    return f"{getattr(pair.candidate.object, '__name__', 'ModelNew')}({told})"


def _in_dtype(pair: Pair, case: PairCase) -> Claim:
    """Whether both models run in the case's dtype."""
    try:
        trial = PairTrial(Subject("", "pair", pair), case)
        poison(_reference_in(trial))
    except Exception as error:  # whatever it raises says that the reference does not offer it
        return Claim(False, "probed", f"the reference raises {said(error)}")
    return _runs(pair, case)


def _reference_in(trial: PairTrial, seed: int = 0, training: bool = False) -> dict[str, Any]:
    model = built(trial.pair.reference.object, trial.init, trial.case.seed, trial.dtype).train(training)
    with seeded(seed), default_dtype(trial.dtype), torch.no_grad():
        return tensors(model(*cast(trial.inputs(), trial.dtype)))


def _of_reference(pair: Pair, case: PairCase) -> dict[str, Claim]:
    """What the reference offers by itself: gates that may forget slowly, train() without random numbers of its own."""
    trial = PairTrial(Subject("", "pair", pair), case)
    slow = can_forget_slowly(trial.reference)
    try:
        one, other = _reference_in(trial, 0, training=True), _reference_in(trial, *_as_still(pair))
        still = all(torch.equal(value, other[path]) for path, value in one.items())
        poison((one, other))
        training = Claim(still, "probed", "the reference draws random numbers in train(), which another order of drawing changes")
    except Exception as error:  # as above
        training = Claim(False, "probed", f"the reference raises {said(error)}")
    return {
        "forgets_slowly": Claim(slow, "probed", "the reference has no torch.nn layer with gates"),
        "pair_training": training,
    }


def _as_still(pair: Pair) -> tuple[int, bool]:
    """Seed and mode of a run that equals one in train() with seed 0 where train() draws nothing."""
    return (0, False) if pair.reading is not None and pair.reading.draws else (1, True)


def _gradients(pair: Pair, case: PairCase) -> Claim:
    """Whether the reference has gradients, and differentiating the candidate does not raise."""
    trial = PairTrial(Subject("", "pair", pair), case)
    try:
        with torch.enable_grad(), default_dtype(torch.float64):
            result = tensors(trial.reference(*cast(trial.inputs(), torch.float64)))
    except Exception as error:  # as above
        return Claim(False, "probed", f"the reference raises {said(error)}")
    recorded = any(value.requires_grad for value in result.values())
    poison(result)
    if not recorded:
        return Claim(False, "probed", "the results of the reference have none")
    try:
        PairTrial(Subject("", "pair", pair, claims={"given": YES}), case).gradients()
    except (SubjectError, Unmatched) as error:
        return Claim(False, "probed", str(error))
    return YES
