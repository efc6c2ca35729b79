"""The error that people cause: caught by every face, shown as one line, exit code 2."""

import re

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What colours a message on a terminal, and has no place in a line of ours."""


class UsageError(ValueError):
    """Raised for wrong usage; the message is one line: what was expected, what came, what to write instead."""
