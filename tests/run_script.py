"""A script of a failure, run in this process."""

import warnings
from typing import Any

from rnncheck.backend.torch_state import preserved


def raised_by(text: str, **names: Any) -> Exception | None:
    """Return what the script raises, where these names are known to it; None where it ends."""
    with warnings.catch_warnings(), preserved():
        warnings.simplefilter("ignore")
        try:
            exec(compile(text, "script.py", "exec"), dict(names))
        except Exception as error:
            return error
    return None
