"""A subject as verify takes it: read, and probed for what it claims."""

from collections.abc import Iterable

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import asked_only, probe_all
from rnncheck.catalog import CATALOG
from rnncheck.core.subject import Subject


def claimed(*target: object, dear: bool = False, asked: Iterable[str] = (), **options) -> Subject:
    """Return the one subject of a target, with its claims.

    dear:  probe also what takes longest, and what few properties need (scripted, exported, on the meta device)
    asked: properties, whose features are probed, too
    """
    found = subjects(*target, **options)
    (subject,) = probe_all(found if dear else asked_only(found, [CATALOG[id] for id in asked]), "inline")
    return subject
