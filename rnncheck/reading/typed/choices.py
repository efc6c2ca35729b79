"""Whether a module that is called as torch's layers are has options whose values only its types say."""

import inspect
from collections.abc import Callable
from typing import Any

from rnncheck.errors import UsageError
from rnncheck.reading.typed.find_roles import RETURNS, roles_of
from rnncheck.reading.typed.stub import constructor_sizes


def has_choices(module: Any, forward: Callable[..., Any]) -> bool:
    """Return whether forward has an option of several values, and types say all else: its arguments, and the constructor's sizes.

    An option that says what is returned does not count, and a constructor with more than sizes is better read by experiment.
    """
    try:
        roles = roles_of(forward, "forward")
        sizes = constructor_sizes(module, roles, "forward") if isinstance(module, type) else {}
    except UsageError:
        return False
    given = {one.name for one in (*roles.sequences, *roles.parameters)}
    options = [name for name, values in roles.choices.items() if name not in given and len(values) > 1]
    whole = not isinstance(module, type) or {*inspect.signature(module).parameters} == {*sizes}
    return whole and any(name.split("_")[0] not in RETURNS for name in options)
