"""Probes subjects where a crash or a hang of theirs does not take us down, and settles what they claim."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from time import monotonic

from rnncheck.adapters.probing.alike import carried_alike
from rnncheck.adapters.probing.directions import turned_as
from rnncheck.adapters.probing.settle import declares_all, settled_subject
from rnncheck.adapters.probing.whole_chunks import in_chunks_of_both
from rnncheck.campaign.probing_apart import Probes, claims_apart
from rnncheck.core.kinds import RESET_AFTER
from rnncheck.core.property import Property
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError

DEAR = ("compile", "export", "script", "meta", "jvp", "autocast", "autocast_half")
"""Features that take a probe longest, and that nothing but the properties that need them asks for."""
NOT_NEEDED = "no chosen property needs it"
"""Why such a feature is not claimed."""
WITH = {"onnx": "export", "autocast": "autocast_half"}
"""Features that are probed together with another one."""


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
    found = _probed(everyone, Probes(engine, jobs, seconds, monotonic() + left))
    settled = [settled_subject(one, found[i]) if i in found else one for i, one in enumerate(everyone)]
    ready = iter(settled[len(subjects) :])
    return [one if one.reference is None else _beside(one, next(ready)) for one in settled[: len(subjects)]]


def _probed(everyone: list[Subject], probes: Probes) -> dict[int, Mapping[str, Claim]]:
    """The claims of those that do not declare them all. Where a probe did not end, its parts are tried one by one."""
    waiting = [i for i, one in enumerate(everyone) if not declares_all(one)]
    done = dict(zip(waiting, probes.of([everyone[i] for i in waiting]), strict=True))
    return {i: claims_apart(everyone[i], one, probes) if one.claims is None else one.claims for i, one in done.items()}


def _beside(subject: Subject, reference: Subject) -> Subject:
    """The subject with its probed reference; raises UsageError where they have no mode in common."""
    if subject.kind == "layer" and not set(subject.modes) & set(reference.modes):
        both = f"{', '.join(subject.modes)} cannot agree with {', '.join(reference.modes)}"
        raise UsageError(f"{subject.name} against {reference.name}: {both}; name a reference of the same mode")
    subject, reference = carried_alike(subject, reference)
    subject = in_chunks_of_both(subject, reference)
    return replace(subject, claims={**subject.claims, **_asked_of(subject, reference)}, reference=turned_as(reference, subject))


def _asked_of(subject: Subject, reference: Subject) -> dict[str, Claim]:
    """Return on which side of the product the reset gate has to act, where the reference has only the other one."""
    sides = RESET_AFTER.features
    offered = [{side for side in sides if one.offers(side)} for one in (subject, reference)]
    if subject.kind != "layer" or not all(offered) or offered[0] & offered[1]:
        return {}
    return {side: Claim(side in offered[1], "declared", f"as {reference.name} has it") for side in sides}


def needed_by(properties: Iterable[Property]) -> set[str]:
    """Return the features that these properties need, and those that are probed together with them."""
    needed = {feature for prop in properties for feature in prop.needs}
    return needed | {WITH[feature] for feature in needed & WITH.keys()}


def asked_only(subjects: Sequence[Subject], properties: Sequence[Property], why: str = NOT_NEEDED) -> list[Subject]:
    """Return the subjects, claiming nothing that takes a probe long and that none of these properties needs; why is the reason."""
    needed = needed_by(properties)
    unasked = {name: Claim(False, "declared", why) for name in DEAR if name not in needed}
    return [_with_less(subject, unasked) for subject in subjects]


def not_dear(properties: Iterable[Property]) -> list[Property]:
    """Return those of the properties that need no feature which takes a probe long."""
    return [prop for prop in properties if not needed_by([prop]) & {*DEAR}]


def _with_less(subject: Subject, unasked: Mapping[str, Claim]) -> Subject:
    """The subject, and its reference, with these claims where they are layers that declare nothing else."""
    less = replace(subject, claims={**unasked, **subject.claims}) if subject.kind == "layer" else subject
    reference = subject.reference
    return less if reference is None else replace(less, reference=_with_less(reference, unasked))
