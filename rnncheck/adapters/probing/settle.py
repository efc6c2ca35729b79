"""From a subject and what its probe found to a subject whose claims are complete."""

from collections.abc import Mapping
from dataclasses import replace

from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.instance import Instance
from rnncheck.adapters.probing.constructor_claims import ELSEWHERE, IN_EVAL, OF_A_HEAD
from rnncheck.adapters.probing.directions import Directions, in_directions
from rnncheck.adapters.probing.ground import FIRST_STATE
from rnncheck.adapters.probing.none_parts import Nones, with_nones
from rnncheck.adapters.probing.positions import with_positions
from rnncheck.adapters.probing.whole_chunks import Steps, with_steps
from rnncheck.core.case import DTYPES
from rnncheck.core.config import MODES
from rnncheck.core.features import FEATURES, PAIR_FEATURES
from rnncheck.core.kinds import RESET_AFTER
from rnncheck.core.subject import Claim, Subject
from rnncheck.errors import UsageError
from rnncheck.reading import Reading
from rnncheck.reading.read import OTHERWISE
from rnncheck.strategies.structure import FORMS

OF_FLOAT32 = "other dtypes: it makes float32 vectors of the token ids"

OTHER_NUMBERS = {"layers": "several layers", "bidirectional": "two directions"}
"""What the state of a layer may have another structure with."""


def declares_all(subject: Subject) -> bool:
    """Return whether nothing of the subject is left to probe."""
    if subject.kind == "pair":
        return PAIR_FEATURES.keys() <= subject.claims.keys()
    return subject.kind == "layer" and bool(subject.modes) and FEATURES.keys() <= subject.claims.keys()


def as_read(subject: Subject, reading: Reading | None) -> Subject:
    """Return the subject, built and called as it was read."""
    if reading is None:
        return subject
    claims, called = dict(subject.claims), reading.called
    if called["states"] is None:
        claims["state"] = Claim(False, "probed", "no final state comes back")
    if not called["given"]:
        claims["hx"] = Claim(False, "signature", "no initial state can be given")
    if "start" in reading.nature:
        claims["hx_none"] = Claim(False, "probed", f"without a state it begins from {', '.join(reading.nature['start'])}")
    if reading.adapts:
        claims["refusals"] = Claim(False, "signature", "it is called in its own way, so torch's input checks do not apply")
    if reading.nature.get("square"):
        claims["sizes"] = Claim(False, "signature", "the constructor takes one size for input and state")
    build = replace(subject.build, reading=reading, is_cell=reading.kind == "cell" and not reading.adapts)
    return replace(
        subject, build=build, fixed=subject.fixed or reading.only, claims=claims, nature=reading.nature,
        read_as=reading.words(), source=build.source(),
        keeps_state=called["reset"] is not None or called["kept"] is not None, unread=reading.unread,
        further=reading.further, not_looked_at=reading.not_looked_at,
    )  # fmt: skip


def settled_subject(subject: Subject, found: Mapping[str, Claim]) -> Subject:
    """Return the subject with the claims that its probe found; raises UsageError where nothing of it can be run."""
    if subject.kind == "pair":
        return _pair(subject, found)
    if subject.kind != "layer":
        return replace(subject, claims=found)
    reading = getattr(found, "reading", None)
    subject = with_nones(subject, getattr(found, "nones", Nones()))
    subject = in_directions(as_read(subject, reading), getattr(found, "directions", Directions()))
    subject = with_positions(with_steps(subject, getattr(found, "steps", Steps())), getattr(found, "positions", ()))
    if any(claim.why.startswith(FIRST_STATE) for claim in found.values()):
        subject = replace(subject, not_looked_at=(*subject.not_looked_at, f"other dtypes and devices: {FIRST_STATE}"))
    if reading is not None and reading.called["ids"] and not found["float64"].offered:
        subject = replace(subject, not_looked_at=(*subject.not_looked_at, OF_FLOAT32))
    claims = {name: claim for name, claim in found.items() if name not in MODES}
    for needed in (tuple(FORMS.values()), tuple(DTYPES)):
        if not any(claims[name].offered for name in needed):
            raise UsageError(f"{subject.name}: {claims[needed[0]].why}")
    modes = tuple(mode for mode in MODES if mode in found and found[mode].offered) or subject.modes
    told = ["what dropout does in training"] if claims["dropout"].why in (ELSEWHERE, IN_EVAL) and not subject.drop_in else []
    of_another_form = [words for name, words in OTHER_NUMBERS.items() if OTHERWISE in claims[name].why]
    told += [f"{words}, with which its state has another structure" for words in of_another_form]
    told += ["bidirectional other than False"] if claims["bidirectional"].why.startswith(OF_A_HEAD) else []
    return _as_seen(replace(subject, modes=modes, claims=claims, not_looked_at=(*subject.not_looked_at, *told)))


def _pair(subject: Subject, found: Mapping[str, Claim]) -> Subject:
    """Return a pair with the reading of its reference; raises UsageError where the candidate cannot be run."""
    if not found["given"].offered:
        raise UsageError(f"{subject.name}: {found['given'].why}")
    reading = getattr(found, "reading", None)
    read_as = subject.read_as if reading is None else f"{subject.read_as}, {reading.words()}"
    return replace(subject, claims=dict(found), build=replace(subject.build, reading=reading), read_as=read_as)


def _as_seen(subject: Subject) -> Subject:
    """An instance's layout, GRU and number of states, where only a call could tell them."""
    fixed = subject.fixed
    if fixed is None:
        return subject
    if subject.of_its_own and fixed.mode not in subject.modes:
        fixed = fixed.but(mode=subject.modes[0])
    if fixed.kind.has(RESET_AFTER):
        fixed = fixed.but(reset_after=not subject.offers("reset_before"))
    return replace(subject, fixed=fixed.but(batch_first=not subject.offers("time_first")))


def reading_of(subject: Subject) -> Reading | None:
    """The reading under which the subject is built; None where it is called as torch's layers are."""
    build = subject.build
    return build.reading if isinstance(build, Constructor | Instance) else None


def is_cell(subject: Subject) -> bool:
    """Return whether each call of it is one step."""
    return isinstance(subject.build, Constructor | Instance) and subject.build.is_cell
