"""All that is said of a property, for ``rnncheck explain`` and for its page: one source, two layouts."""

import inspect
from collections.abc import Iterator

from rnncheck.catalog.notes import note_on
from rnncheck.core.property import Property

KINDS = {
    "invariant": "checks one run",
    "metamorphic": "compares two or more runs of the layer",
    "differential": "compares the run with another implementation or with the equations",
    "derivative": "checks derivatives",
}
"""What each kind of property does."""


def sections(prop: Property) -> Iterator[tuple[str, str]]:
    """Yield (heading, text) of what a person wants to know of a property, in the order of reading."""
    note = note_on(prop.id)
    told = {"Why it matters": note.why, "How to fix it": note.mend, "What it does not see": note.unseen}
    yield from ((heading, text) for heading, text in told.items() if text)


def facts(prop: Property) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what is declared with a property, beside its statement."""
    yield "formula", prop.formula
    yield "kind", f"{prop.kind}: {KINDS[prop.kind]}"
    yield "severity", f"convention: {prop.convention}" if prop.convention else "contract"
    yield "source", prop.source
    yield "applies", prop.applies.words
    yield "needs", ", ".join(prop.needs) or "nothing beyond what the case uses"


def code(prop: Property) -> str:
    """Return the code that is run."""
    return inspect.getsource(prop.check).rstrip()
