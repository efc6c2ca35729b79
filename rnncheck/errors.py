"""The error that people cause: caught by every face, shown as one line, exit code 2."""


class UsageError(ValueError):
    """What was asked for cannot be: the message is one line with what was expected, what came, what to do."""
