"""How a subject was understood, in words: what it is, its axes, its states, and what is known of its parameters."""

from rnncheck.core.kinds import kind_of
from rnncheck.core.subject import NOT_READ, Subject


def read_as(subject: Subject) -> str:
    """Return the reading of a subject as far as its claims tell it.

    ``GRU layer, (time, batch, features), state h``; a stage that reads targets may say more in its place.
    """
    if subject.kind == "clip":
        return "function that clips gradients"
    if subject.kind in ("step", "pair"):
        return subject.read_as or {"step": "training step", "pair": "model and its reference"}[subject.kind]
    if subject.read_as is not None:
        chunks = f"; steps: {subject.steps_in_words}" if subject.steps > 1 else ""
        return f"{_what(subject)}, {subject.read_as}{chunks}"
    if any(claim.why == NOT_READ for claim in subject.claims.values()):
        return NOT_READ
    parts = [_what(subject), _axes(subject), _states(subject)]
    if subject.fixed is not None and subject.fixed.bidirectional:
        parts.append("two directions")
    if "load" in subject.claims and not subject.offers("load"):
        parts.append("parameters not mapped")
    return ", ".join(part for part in parts if part)


def _what(subject: Subject) -> str:
    names = list(dict.fromkeys(kind_of(mode).name for mode in subject.modes))
    reading = getattr(subject.build, "reading", None)
    is_cell = getattr(subject.build, "is_cell", False) if reading is None else reading.kind == "cell"
    kind = "cell" if is_cell else "layer"
    return "recurrence of its own" if subject.of_its_own else " or ".join(names) + f" {kind}"


def _axes(subject: Subject) -> str:
    first = subject.offers("batch_first") and not subject.offers("time_first")
    return "(batch, time, features)" if first else "(time, batch, features)"


def _states(subject: Subject) -> str:
    if "state" in subject.claims and not subject.offers("state"):
        return "no final state"
    letters = max((kind_of(mode).letters for mode in subject.modes), key=len, default=())
    names = f"({', '.join(letters)})" if len(letters) > 1 else "".join(letters) or "as it returns it"
    return f"state {names}" + (" without an axis of layers" if subject.flat_states else "")
