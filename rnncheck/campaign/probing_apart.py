"""Claims of a subject whose probe did not end: each part of it in a process of its own; what ends that one is claimed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from rnncheck.adapters.clip_functions import OPTIONS
from rnncheck.adapters.probing.built import probe_built
from rnncheck.adapters.probing.constructor_claims import ASKED, claims_of_fixed, not_in_signature
from rnncheck.adapters.probing.directions import Directions
from rnncheck.adapters.probing.feature_calls import CALLS
from rnncheck.adapters.probing.modes import modes_in
from rnncheck.adapters.probing.none_parts import Nones
from rnncheck.adapters.probing.not_recurrent import with_skeleton
from rnncheck.adapters.probing.probe import Claims, probe, probe_calls
from rnncheck.adapters.probing.settle import as_read, is_cell
from rnncheck.adapters.probing.whole_chunks import Steps
from rnncheck.adapters.targets.locate import one_line
from rnncheck.core.config import MODES, Mode
from rnncheck.core.features import CLIP_FEATURES, FEATURES, PAIR_FEATURES
from rnncheck.core.kinds import RESET_AFTER, SIMPLEST, modes_with
from rnncheck.core.subject import NOT_READ, Claim, Subject
from rnncheck.engine import Done, Job, WorkerContext, make_engine

Probe = Callable[[Subject], Mapping[str, Claim]]
LEAST = 2.0
"""Seconds that a probe is given in any case."""
LATER = 1 / 4
"""Once one probe did not come back, the next ones are given this part of its time: they are asked for one thing each."""
PLAINEST = ("hx_none", "time_first", "sizes", "batched", "float64", "float32")
"""What the plainest call of a layer needs."""
NO_TIME = "the seconds for a probe did not suffice to find out how it is called; give more with --budget"


@dataclass(frozen=True)
class Probes:
    """How probes are made: the engine, the number of workers, the seconds for each, and the end of them all (monotonic)."""

    engine: str
    jobs: int | None
    seconds: float
    end: float = inf

    def of(self, subjects: list[Subject], how: Probe = probe) -> list[Done]:
        """Probe each of the subjects."""
        if not subjects:
            return []
        working = make_engine(self.engine, WorkerContext(subjects, {}, how), self.jobs)
        try:
            return list(working.run(Job(i, "probe", i, seconds=self._each()) for i in range(len(subjects))))
        finally:
            working.close()

    def _each(self) -> float:
        return min(self.seconds, max(LEAST, (self.end - monotonic()) / 2))


def claims_apart(subject: Subject, lost: Done, probes: Probes) -> Mapping[str, Claim]:
    """Return a claim for each feature: what is known, and else that it is offered, so that a case can show what happens."""
    hoped = Claim(True, "probed", f"its probe did not end: {one_line(lost.lost or 'no reason known')}")
    if subject.kind == "clip":
        return {**subject.claims, **{name: hoped for name in CLIP_FEATURES if name not in OPTIONS}}
    if subject.kind == "step":
        return {**subject.claims, "step_norm": hoped}
    if subject.kind == "pair":
        unknown = dict.fromkeys(PAIR_FEATURES, Claim(False, "probed", hoped.why))
        return {**subject.claims, **unknown, "given": hoped, "pair_float32": hoped}
    known = replace(subject, modes=_modes(subject))
    short = replace(probes, seconds=probes.seconds * LATER)
    claims = _simplest(known, subject, hoped, probes)
    if claims is None:
        (built,) = short.of([known], probe_built)
        return {**hoped_for(known, hoped), **(built.claims or {}), **_of_a_guess(subject), **subject.claims}
    if not any(claim.offered for claim in claims.values()):
        return claims
    reading = getattr(claims, "reading", None)
    subject, features = as_read(subject, reading), [name for name in CALLS if name not in subject.claims]
    each = short.of([_asked_only(subject, name) for name in features], probe_calls)
    seen = {name: one.claims[name] if one.claims else hoped for name, one in zip(features, each, strict=True)}
    found = Claims({**claims, **seen, **subject.claims})
    found.reading, found.directions = reading, getattr(claims, "directions", Directions())
    found.nones = getattr(claims, "nones", Nones())
    found.steps, found.positions = getattr(claims, "steps", Steps()), getattr(claims, "positions", ())
    return found


def probe_skeleton(subject: Subject) -> Mapping[str, Claim]:
    """Return why nothing is claimed, with a wrapper to fill in."""
    return dict.fromkeys(FEATURES, Claim(False, "probed", f"{NO_TIME}{with_skeleton(subject)}"))


def _simplest(known: Subject, subject: Subject, hoped: Claim, probes: Probes) -> Mapping[str, Claim] | None:
    """Return the claims except for the features that need a call of their own; None where no call at all comes back.

    All that is asked at once takes a slow machine long; what may be called in its own way cannot be judged before it is read.
    """
    plain, short = _asked_only(subject, ""), replace(probes, seconds=probes.seconds * LATER)
    (called,) = short.of([plain], probe_calls)
    if called.claims is None:
        return None
    (whole,) = probes.of([plain])
    if whole.claims is not None:
        return whole.claims
    if (whole.lost or "").startswith("hung") and not subject.drop_in:
        (told,) = short.of([plain], probe_skeleton)
        return told.claims or dict.fromkeys(FEATURES, Claim(False, "probed", NO_TIME))
    if not called.claims:
        return None
    (built,) = short.of([known], probe_built)
    return {**hoped_for(known, hoped), **(built.claims or {}), **called.claims}


def hoped_for(subject: Subject, hoped: Claim) -> dict[str, Claim]:
    """Return all that a subject of these modes can offer: whatever is asked of it ends the process, and a case is to show that."""
    modes: dict[str, Claim] = {mode: replace(hoped, offered=mode in subject.modes) for mode in MODES}
    unasked = {feature: missing for feature in ASKED if (missing := not_in_signature(subject, feature))}
    return {**dict.fromkeys(FEATURES, hoped), **modes, **_unlikely(subject), **unasked, **_fixed(subject)}


def _unlikely(subject: Subject) -> dict[str, Claim]:
    """Return what only a look at forward could tell, or what cannot be."""
    stepwise = {"packed": Claim(False, "signature", "a cell is called step by step")} if is_cell(subject) else {}
    return {
        "lengths": Claim(False, "signature"),
        "reset_after": Claim(bool({*modes_with(RESET_AFTER)} & {*subject.modes}), "signature"),
        **stepwise,
    }


def _fixed(subject: Subject) -> dict[str, Claim]:
    """Return what follows from the configuration of an instance."""
    if subject.fixed is None:
        return {}
    major = subject.fixed.batch_first
    return claims_of_fixed(subject.fixed) | {"batch_first": Claim(major, "declared"), "time_first": Claim(not major, "declared")}


def _modes(subject: Subject) -> tuple[Mode, ...]:
    """Return the modes that it may be of, as far as its name tells."""
    return _told_modes(subject) or (SIMPLEST[2],)


def _told_modes(subject: Subject) -> tuple[Mode, ...]:
    return subject.modes or modes_in(subject.name)


def _of_a_guess(subject: Subject) -> dict[str, Claim]:
    """Return what is not claimed where nothing tells the mode: all but the plainest call, which a case shows."""
    unread = Claim(False, "probed", NOT_READ)
    return {} if _told_modes(subject) else {name: unread for name in FEATURES if name not in PLAINEST}


def _asked_only(subject: Subject, feature: str) -> Subject:
    others = {name: Claim(False, "declared") for name in CALLS if name != feature}
    return replace(subject, claims={**others, **subject.claims})
