"""What ``rnncheck explain`` prints: the text of the property's page, as wide as a terminal."""

import shutil
from collections.abc import Iterator

from rnncheck.catalog.card import code, facts, sections
from rnncheck.core.property import Property
from rnncheck.report.words import wrapped

LABEL = 11
WIDEST = 100


def explained(prop: Property) -> Iterator[str]:
    """Yield the lines: what is declared, what a person wants to know, and the code that is run."""
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    for name, text in (("id", prop.id), ("statement", prop.statement), *facts(prop)):
        yield from wrapped(text, width, f"{name:{LABEL}}", " " * LABEL)
    for heading, text in sections(prop):
        yield from ("", heading, *wrapped(text, width, "  ", "  "))
    yield from ("", code(prop), "")
