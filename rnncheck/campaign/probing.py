"""Probes subjects where a crash or a hang of theirs does not take us down, and settles what they claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from rnncheck.adapters.probing.feature_calls import CALLS
from rnncheck.adapters.probing.modes import modes_in
from rnncheck.adapters.probing.probe import probe
from rnncheck.adapters.probing.settle import declares_all, settled_subject
from rnncheck.core.plain_text import one_line
from rnncheck.core.subject import FEATURES, Claim, Subject
from rnncheck.engine import Done, Job, Workshop, make_engine
from rnncheck.errors import UsageError

HOPED_FOR = ("batched", "time_first", "hx", "hx_none", "state", "float32", "training", "module")
"""What is taken for granted of a subject that crashes or hangs whatever is asked of it, so that a case can show it."""
LEAST = 0.5
"""Seconds that a probe is given in any case."""
CALLED_CLIP = ("generator", "single_tensor", "returned_norm")


@dataclass(frozen=True)
class _Probes:
    """How probes are made: by which engine, with so many workers, in so many seconds each, all of them by a time (monotonic)."""

    engine: str
    jobs: int | None
    seconds: float
    end: float = inf

    def of(self, subjects: list[Subject]) -> list[Done]:
        """One of each."""
        if not subjects:
            return []
        working = make_engine(self.engine, Workshop(subjects, {}, probe), self.jobs)
        try:
            return list(working.run(Job(i, "probe", i, seconds=self._each()) for i in range(len(subjects))))
        finally:
            working.close()

    def _each(self) -> float:
        return min(self.seconds, max(LEAST, (self.end - monotonic()) / 2))


def probe_all(
    subjects: Sequence[Subject], engine: str = "processes", jobs: int | None = None, seconds: float = inf, left: float = inf
) -> list[Subject]:
    """The subjects, and their references, with everything that they claim; those that declare it all are not probed.

    seconds: wall time of one probe until it counts as hung; never more than the engine's own limit
    left:    wall time of all that is to be done, of which each probe takes half of the rest at most

    Raises UsageError where nothing of a subject can be run.
    """
    references = [subject.reference for subject in subjects if subject.reference is not None]
    everyone = [*subjects, *references]
    found = _probed(everyone, _Probes(engine, jobs, seconds, monotonic() + left))
    settled = [settled_subject(one, found[i]) if i in found else one for i, one in enumerate(everyone)]
    ready = iter(settled[len(subjects) :])
    return [one if one.reference is None else _beside(one, next(ready)) for one in settled[: len(subjects)]]


def _probed(everyone: list[Subject], probes: _Probes) -> dict[int, Mapping[str, Claim]]:
    """The claims of those that do not declare them all. Where a probe did not end, the features are tried one by one."""
    waiting = [i for i, one in enumerate(everyone) if not declares_all(one)]
    done = dict(zip(waiting, probes.of([everyone[i] for i in waiting]), strict=True))
    return {i: one.claims if one.claims is not None else _one_by_one(everyone[i], one, probes) for i, one in done.items()}


def _one_by_one(subject: Subject, lost: Done, probes: _Probes) -> Mapping[str, Claim]:
    """Each feature in a probe of its own: one that ends the process is claimed, so that a case can show what happens."""
    if subject.kind == "clip":
        return {**subject.claims, **{name: Claim(True, "probed", _said(lost)) for name in CALLED_CLIP}}
    features = [name for name in CALLS if name not in subject.claims]
    asked = [_asked_only(subject, name) for name in features]
    done = probes.of(asked[:1])
    if not (done[0].lost or "").startswith("hung"):  # what hangs at the first would hang at each, every time
        done += probes.of(asked[1:])
    told = [one.claims for one in done if one.claims is not None]
    if not told:
        return dict.fromkeys(FEATURES, Claim(False, "probed", _said(lost))) | _hoped_for(subject, lost)
    each = {name: Claim(True, "probed", _said(one)) if one.claims is None else one.claims[name]
            for name, one in zip(features, done, strict=True)}  # fmt: skip
    return {**told[0], **each, **subject.claims}


def _asked_only(subject: Subject, feature: str) -> Subject:
    others = {name: Claim(False, "declared") for name in CALLS if name != feature}
    return replace(subject, claims={**others, **subject.claims})


def _hoped_for(subject: Subject, lost: Done) -> dict[str, Claim]:
    modes = subject.modes or modes_in(subject.name) or ("LSTM",)
    return {name: Claim(True, "probed", _said(lost)) for name in (*HOPED_FOR, *modes)} | dict(subject.claims)


def _said(lost: Done) -> str:
    return f"its probe did not end: {one_line(lost.lost or 'no reason known')}"


def _beside(subject: Subject, reference: Subject) -> Subject:
    """The subject with its probed reference; raises UsageError where they have no mode in common."""
    if subject.kind == "layer" and not set(subject.modes) & set(reference.modes):
        both = f"{', '.join(subject.modes)} cannot agree with {', '.join(reference.modes)}"
        raise UsageError(f"{subject.name} against {reference.name}: {both}; name a reference of the same mode")
    return replace(subject, reference=reference)
