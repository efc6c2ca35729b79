"""A typed recurrence and its reference are called alike: what calls have shown of one is taken of both."""

from rnncheck.adapters.probing.none_parts import Nones, with_nones
from rnncheck.adapters.probing.positions import with_positions
from rnncheck.adapters.typed import TypedBuild
from rnncheck.core.subject import Subject


def carried_alike(one: Subject, other: Subject) -> tuple[Subject, Subject]:
    """Return both with the positions of either, and the states that either carries whole."""
    if not isinstance(one.build, TypedBuild) or not isinstance(other.build, TypedBuild):
        return one, other
    names = {name for build in (one.build, other.build) for name, _, _ in build.roles.positions}
    caches = [build.roles.cache for build in (one.build, other.build)]
    whole = tuple(dict.fromkeys(name for cache in caches if cache for name in cache.names))
    never = {}
    for subject in (one, other):
        for name, values in subject.choices.items():
            kept = [dict(both.choices).get(name, values) for both in (one, other)]
            never[name] = tuple(value for value in values if not all(value in others for others in kept))
    found = Nones(whole, {name: values for name, values in never.items() if values})
    return _as(one, found, names), _as(other, found, names)


def _as(subject: Subject, found: Nones, names: set[str]) -> Subject:
    return with_positions(with_nones(subject, found), names)
