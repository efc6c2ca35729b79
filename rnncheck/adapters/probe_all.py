"""Probes subjects where a crash or a hang of theirs does not take us down, and settles what they claim."""

from collections.abc import Sequence
from dataclasses import replace

from rnncheck.adapters.modes import modes_in
from rnncheck.adapters.probe import probe
from rnncheck.case import DTYPES
from rnncheck.config import MODES
from rnncheck.engine import Done, Job, Workshop, make_engine
from rnncheck.errors import UsageError
from rnncheck.strategies.structure import FORMS
from rnncheck.subject import FEATURES, Claim, Subject

HOPED_FOR = ("batched", "time_first", "hx", "hx_none", "state", "float32", "training", "module")
"""What is taken for granted of a subject whose probe crashed or hung, so that a case can show it."""


def probe_all(subjects: Sequence[Subject], engine: str = "processes", jobs: int | None = None) -> list[Subject]:
    """The subjects, and their references, with everything that they claim; those that declare it all are not probed.

    Raises UsageError where nothing of a subject can be run.
    """
    references = [subject.reference for subject in subjects if subject.reference is not None]
    everyone = [*subjects, *references]
    found = _probed(everyone, engine, jobs)
    settled = [_settled(one, found[i]) if i in found else one for i, one in enumerate(everyone)]
    ready = iter(settled[len(subjects) :])
    return [one if one.reference is None else _beside(one, next(ready)) for one in settled[: len(subjects)]]


def _probed(everyone: list[Subject], engine: str, jobs: int | None) -> dict[int, Done]:
    waiting = [i for i, one in enumerate(everyone) if not _declares_all(one)]
    if not waiting:
        return {}
    working = make_engine(engine, Workshop(everyone, {}, probe), jobs)
    try:
        return {done.job.subject: done for done in working.run(Job(n, "probe", i) for n, i in enumerate(waiting))}
    finally:
        working.close()


def _declares_all(subject: Subject) -> bool:
    return subject.kind == "layer" and bool(subject.modes) and FEATURES.keys() <= subject.claims.keys()


def _settled(subject: Subject, done: Done) -> Subject:
    if subject.kind == "clip":
        return subject if done.claims is None else replace(subject, claims=done.claims)
    if done.claims is None:
        why = f"the probe did not end: {done.lost or 'no reason known'}"
        hoped = {name: Claim(name in HOPED_FOR, "probed", why) for name in FEATURES}
        modes = subject.modes or modes_in(subject.name) or ("LSTM",)
        return replace(subject, modes=modes, claims=hoped | dict(subject.claims))
    claims = {name: claim for name, claim in done.claims.items() if name not in MODES}
    for needed in (tuple(FORMS.values()), tuple(DTYPES)):
        if not any(claims[name].offered for name in needed):
            raise UsageError(f"{subject.name}: {claims[needed[0]].why}")
    modes = tuple(mode for mode in MODES if mode in done.claims and done.claims[mode].offered) or subject.modes
    return _as_seen(replace(subject, modes=modes, claims=claims))


def _as_seen(subject: Subject) -> Subject:
    """An instance's layout and GRU, where only a call could tell them."""
    fixed = subject.fixed
    if fixed is None:
        return subject
    if fixed.mode == "GRU":
        fixed = fixed.but(reset_after=not subject.offers("reset_before"))
    return replace(subject, fixed=fixed.but(batch_first=not subject.offers("time_first")))


def _beside(subject: Subject, reference: Subject) -> Subject:
    """The subject with its probed reference; raises UsageError where they have no mode in common."""
    if subject.kind == "layer" and not set(subject.modes) & set(reference.modes):
        both = f"{', '.join(subject.modes)} cannot agree with {', '.join(reference.modes)}"
        raise UsageError(f"{subject.name} against {reference.name}: {both}; name a reference of the same mode")
    return replace(subject, reference=reference)
