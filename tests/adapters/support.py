"""A subject as verify takes it: read, and probed for what it claims."""

from rnncheck.adapters.targets.resolve import subjects
from rnncheck.campaign.probing import probe_all
from rnncheck.core.subject import Subject


def claimed(target: object, **options) -> Subject:
    """Return the one subject of a target, with its claims."""
    (found,) = probe_all(subjects(target, **options), "inline")
    return found
