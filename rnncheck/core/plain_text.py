"""What a subject, a file or a person says, as text that is safe to print, to store and to log.

Every message that is not our own goes through here: it may be an exception whose ``__str__`` raises, 50 MB long, no valid
Unicode, or made to steer a terminal (colours, titles, the clipboard) or a CI runner (``::stop-commands::``).
"""

import re
import traceback

LONGEST = 20_000
"""Characters of a text; what is longer is cut, and the message says how much is missing."""
LONGEST_LINE = 300
"""Characters of a message on one line."""
LONGEST_VALUE = 80
"""Characters of a value that is quoted in a message."""
SPOILT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that a terminal would obey or cannot show."""

SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and cursor movements (CSI)
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # titles, clipboard (OSC, DCS)
)
"""What a terminal reads as a command and does not show."""
WORDS = "|".join((
    "set-output", "save-state", "set-env", "add-path", "add-mask", "add-matcher", "remove-matcher", "stop-commands",
    "debug", "notice", "warning", "error", "group", "endgroup", "echo",
))  # fmt: skip
COMMANDS = re.compile(rf"(?:(?<=\s)|\A)::+|::+(?=(?:{WORDS})\b.*?::)|##(?=\[|vso\[|teamcity\[)", re.IGNORECASE)
"""What GitHub Actions, Azure Pipelines and TeamCity read as the beginning of a command, wherever a line may be broken."""


def plain(thing: object, limit: int = LONGEST) -> str:
    """Return the text of anything, an exception included: without what a terminal or a CI obeys, and cut at ``limit``.

    >>> plain("\\x1b[31mred\\x1b[0m \\x07 and\\n  ::stop-commands::x")
    'red \N{REPLACEMENT CHARACTER} and\\n  : :stop-commands::x'
    """
    text = _text(thing)
    cut = len(text) - limit
    shown = SEQUENCES.sub("", text[:limit].replace("\r\n", "\n"))
    shown = "".join(c if c in "\n\t" or (c.isprintable() and c not in "\ufffe\uffff") else SPOILT for c in shown)
    shown = COMMANDS.sub(lambda match: " ".join(match[0]), shown)
    return shown if cut <= 0 else f"{shown}… ({cut} more characters)"


def one_line(thing: object, limit: int = LONGEST_LINE) -> str:
    """Return the text of anything on one line, cut where it gets long."""
    text = " ".join(plain(thing, 20 * limit).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(value: object, limit: int = LONGEST_VALUE) -> str:
    """Return the repr of a value on one line; where it has none (a number of 5,000 digits), its type.

    >>> quoted("cuda"), quoted(10**5000)
    ("'cuda'", '<int that cannot be shown>')
    """
    try:
        return one_line(repr(value), limit)
    except BaseException:
        return f"<{type_name(value)} that cannot be shown>"


def type_name(thing: object) -> str:
    """Return the name of a thing's type, whatever its ``__class__`` or its metaclass say."""
    return one_line(type.__dict__["__name__"].__get__(type(thing)), LONGEST_VALUE)


def said(error: BaseException) -> str:
    """Return an exception as ``Type: message`` on one line; where it has no message, with the line of code that raised it.

    >>> said(ValueError("no\\nway")), said(KeyError())
    ('ValueError: no way', 'KeyError')
    """
    return f"{type_name(error)}: {one_line(error) or _line_of(error)}".removesuffix(": ")


def _line_of(error: BaseException) -> str:
    """The line of code that raised an exception, where it was raised and its source is there."""
    raised = traceback.extract_tb(vars(BaseException)["__traceback__"].__get__(error), -1)  # a class may mask its own
    return one_line(raised[0].line) if raised else ""


def _text(thing: object) -> str:
    """The exact str of a thing: a subclass of str, or a method that raises, does not reach the rest."""
    try:
        return str.__getitem__(str(thing), slice(None))
    except BaseException as error:
        return f"<a {type_name(thing)} whose text cannot be had: {type_name(error)}>"
