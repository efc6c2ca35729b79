"""Roles as calls show them, where types alone say less: what is a position, what is carried whole, which values no call has."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from rnncheck.reading.typed.annotations import Path, leaves
from rnncheck.reading.typed.caches import Cache, side_by_side
from rnncheck.reading.typed.roles import Argument, Roles


def with_positions(roles: Roles, names: Collection[str]) -> Roles:
    """Return the roles, in which these arguments say how many steps come before, and are nothing else."""

    def others(arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return tuple(one for one in arguments if one.name not in names)

    tensors = {name for name, axes, _ in roles.counts if axes is not None}
    return replace(
        roles,
        positions=tuple(one for one in roles.counts if one[0] in names),
        states=others(roles.states),
        parameters=others(roles.parameters),
        choices={name: values for name, values in roles.choices.items() if name not in names or name not in tensors},
        kept=tuple(one for one in roles.kept if one not in names),
        never=tuple(one for one in roles.never if one not in names),
    )


def carriable(roles: Roles) -> dict[str, tuple[Path, list[Path]]]:
    """Return the states that begin as None and come back in one piece: where each does, and where its tensors are."""
    if roles.finals is None or (roles.cache is not None and not roles.cache.begins_as_none):
        return {}
    left, found = [path for path, _ in roles.finals], dict[str, tuple[Path, list[Path]]]()
    for one in roles.states:
        inside = [path for path, _ in leaves(one.tree)]
        paths, left = ([], left) if one.name in roles.kept else (left[: len(inside)], left[len(inside) :])
        pairs = list(zip(paths, inside, strict=False))
        places = list(dict.fromkeys(path[: len(path) - len(part)] for path, part in pairs))
        if one.default is None and len(places) == 1 and all((*places[0], *part) == path for path, part in pairs):
            found[one.name] = places[0], paths
    return found


def with_states_whole(roles: Roles, names: Collection[str]) -> Roles:
    """Return the roles, in which these states are carried whole, as caches are."""
    whole = {name: places for name, places in carriable(roles).items() if name in names}
    if not whole:
        return roles
    caches = [Cache(name, type(None), (), path, False) for name, (path, _) in whole.items()]
    gone = {path for _, paths in whole.values() for path in paths}
    finals = tuple(place for place in roles.finals or () if place[0] not in gone)
    states = tuple(one for one in roles.states if one.name not in whole)
    cache = side_by_side([*([roles.cache] if roles.cache else []), *caches])
    return replace(roles, states=states, finals=finals or None, cache=cache)


def without_values(roles: Roles, never: Mapping[str, Collection[Any]]) -> Roles:
    """Return the roles without these values of options."""
    choices = {name: tuple(one for one in values if one not in never.get(name, ())) for name, values in roles.choices.items()}
    return replace(roles, choices=choices)
