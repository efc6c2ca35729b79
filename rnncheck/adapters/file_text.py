"""A file of ours as a script shows it: the classes that stand between torch's call and a layer."""

import inspect
import re
from types import ModuleType

OURS = re.compile(r"^from rnncheck\b.*\n", re.MULTILINE)


def file_text(module: ModuleType) -> str:
    """Return the text of a module without its docstring and what it imports of ours, which the script shows before it.

    >>> from rnncheck.reading.adapter import arranged
    >>> file_text(arranged).splitlines()[0]
    'from typing import Any'
    """
    return OURS.sub("", inspect.getsource(module).partition("\n\n")[2]).rstrip()
