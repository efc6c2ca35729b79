"""What a class declares of itself: ``rnncheck_claims = {"packed": False, "proj": "not implemented", "vmap": True}``."""

import difflib
from collections.abc import Mapping
from typing import Any

from rnncheck.core.features import EVERY_FEATURE, FEATURES
from rnncheck.core.subject import Claim
from rnncheck.errors import UsageError

OTHER = "other"
"""``rnncheck_mode`` of a recurrence that is none of torch's: one state or two, and equations of its own."""
OWN_EQUATIONS: Mapping[str, Claim] = {
    feature: Claim(False, "declared", 'rnncheck_mode = "other"')
    for feature in ("equations", "load", "torch_parameters", "torch_init", "last_output")
}


def declared_claims(target: Any, name: str) -> dict[str, Claim]:
    """The claims that ``target`` declares: feature -> True, False, or a reason why it is not offered.

    Raises UsageError for a feature that does not exist, and for anything but a bool or a str.
    """
    own = OWN_EQUATIONS if getattr(target, "rnncheck_mode", None) == OTHER else {}
    said = getattr(target, "rnncheck_claims", {})
    if not isinstance(said, Mapping):
        came = type(said).__name__
        raise UsageError(f"{name}: rnncheck_claims is a {came}, but should be a dict, feature -> bool or reason")
    return {**own, **{feature: _claim(name, feature, value) for feature, value in said.items()}}


def _claim(name: str, feature: Any, value: Any) -> Claim:
    if feature not in EVERY_FEATURE:
        close = difflib.get_close_matches(str(feature), list(EVERY_FEATURE), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; should be one of {', '.join(FEATURES)}"
        raise UsageError(f"{name}: rnncheck_claims speaks of {feature!r}, but there is no such feature{hint}")
    if isinstance(value, bool):
        return Claim(value, "declared")
    if isinstance(value, str):
        return Claim(False, "declared", value)
    raise UsageError(f"{name}: rnncheck_claims[{feature!r}] = {value!r}, but should be True, False or a reason (a str)")
