"""Which failures have one cause: it is reported once, led by the most basic property that shows it.

Verdicts have one cause where they share a diagnosis, or what was raised. Any other failure follows from a more basic one
unless something speaks against it: it needs something else of a case to fail, its own run is wrong in a way that the
diagnosis does not explain, or it speaks of something that does not come of wrong numbers.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rnncheck.catalog.notes import headline_of
from rnncheck.core.needs import GIVEN, LENGTHS, MANY_STEPS, UNBATCHED, features_of, most_telling
from rnncheck.core.verdict import NOT_TOLD, Verdict

BASIC_FIRST = (
    "shape", "state", "time", "cache", "batch", "argument", "layer", "direction", "layout", "lengths", "gate", "agree", "mode",
    "weights", "graph", "gradient", "numeric", "life", "clip", "step", "pair", "bundle", "reject",
)  # fmt: skip
"""The families of properties in the order in which a failure of one explains those of the next."""
WHY = ("mode.rng", "layout.no_mutation")
"""Properties that say why a call that is repeated gives other results: the headline is theirs, though others lead."""
NOT_AGAIN = ("mode.repeatable", "state.fresh", "state.one_tensor")
AT_ONCE = ("state.forgets", "mode.repeatable", "mode.rng", "state.fresh", "batch.alone", "batch.permute", "direction.turned")
"""Properties without which no two calls, and no two batches, can be compared, and one that only a single mistake breaks: they
lead, after those of shapes."""
FIRST_OF_ITS_FAMILY = ("time.causal", "lengths.order", "lengths.padding_ignored")
"""Properties that lead others of their family: an output that depends on later steps is another where a call ends before them, a
longer sequence beside the others changes the order, and padding that is read has a sequence give other results than alone."""
IN_ANOTHER_WAY = ("shape.autocast", "agree.autocast", "agree.no_grad", "agree.functional", "agree.vmap")
"""Properties that run the layer in another way: whatever fails in the usual way as well leads."""
BY_THEMSELVES = (
    "shape.parameters", "shape.meta", "weights.init", "weights.reset", "weights.flags", "layout.no_alias", "layout.no_mutation",
    "gradient.second_refused", "batch.empty", "batch.empty_backward", "agree.compiled", "agree.exported", "agree.scripted",
    "agree.onnx", "mode.rng", "mode.settings", "step.mode", "step.autocast", "step.nonfinite", "step.returns_norm", "pair.inputs",
)  # fmt: skip
"""Properties that do not fail because numbers are wrong: each shows a cause of its own, unless shapes are wrong."""
AT_EXTREMES = (
    "gate.latch", "batch.cliffs", "batch.many", "numeric.finite", "numeric.finite_gradient", "numeric.many_steps",
    "numeric.extreme", "numeric.extreme_gradient", "numeric.range",
)  # fmt: skip
"""Properties that set sizes, steps or numbers to extremes: whatever fails at ordinary ones as well leads."""
DTYPES, MIXED = "shape.dtype_device", "the same dtype"
"""The property of the results' dtypes, and what torch says in several ways where one of another dtype is used."""
WRITES, IN_PLACE = "layout.no_mutation", re.compile(r"in-?place|written-to tensor")
"""The property of what a call writes into, and what torch says in several ways where it refuses that."""
SHOWN_BY = {MIXED: DTYPES, "in place": WRITES}
"""What is raised in several ways, and the property that says why."""
UNREADABLE = "the result cannot be read"
DISCONNECTED = "does not require grad"
"""What autograd raises where a result does not depend on what it should depend on."""
OPTIONS = (UNBATCHED, "proj_size", "bidirectional=True", "several layers", "bias=False")
"""What a layer may take and not handle."""
SAID_AS = re.compile(r"(agrees with .+?) if (.+)", re.DOTALL)
VARYING = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")


@dataclass(frozen=True)
class Cause:
    """Verdicts with one cause, the most basic first: that one leads."""

    verdicts: tuple[Verdict, ...]

    @property
    def lead(self) -> Verdict:
        """Return the verdict of the most basic property that shows it."""
        return self.verdicts[0]

    @property
    def also(self) -> tuple[Verdict, ...]:
        """Return the other verdicts that fail with it."""
        return self.verdicts[1:]

    @property
    def diagnosis(self) -> str | None:
        """Return the diagnosis that they share, None without one."""
        return next((verdict.diagnosis for verdict in self.verdicts if verdict.diagnosis), None)

    @property
    def only(self) -> tuple[str, ...]:
        """Return what every failing case needs to fail, in words."""
        return most_telling(_shared(self.verdicts))

    @property
    def headline(self) -> str:
        """Return what is wrong in plain words: the diagnosis, what was raised, or what does not hold."""
        found = SAID_AS.fullmatch(self.diagnosis or "")
        why = (verdict for verdict in self.verdicts if verdict.property in WHY and self.lead.property in (*AT_ONCE, *NOT_AGAIN))
        said = found[2] if found else self.diagnosis or _said_of(next(why, self.lead))
        return f"{said}, only with {' and '.join(self.only)}" if self.only else said

    @property
    def explained(self) -> str | None:
        """Return what the diagnosis compares with, None where there is none."""
        found = SAID_AS.fullmatch(self.diagnosis or "")
        return f"{found[1].removeprefix('agrees with ')} with that change gives the same numbers" if found else None

    @property
    def calls(self) -> str | None:
        """Return the shortest failing calls, those that say all first, the lead's where others are no shorter."""
        shown = [verdict.calls for verdict in self.verdicts if verdict.calls]
        return min(shown, key=lambda text: (NOT_TOLD in text, text.count("\n"), len(text)), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the cause by the ids of its properties."""
        also = [verdict.property for verdict in self.also]
        return {"headline": self.headline, "property": self.lead.property, "also": also, "only": list(self.only),
                "calls": self.calls}  # fmt: skip


def _said_of(verdict: Verdict) -> str:
    reason = (verdict.reason or "").splitlines() or [""]
    if verdict.verdict == "fails":
        return headline_of(verdict.property)
    if verdict.verdict == "errored" and DISCONNECTED in reason[0]:
        return "no gradient flows through a result: something detaches it"
    if verdict.verdict == "errored":
        said = verdict.mismatch if verdict.mismatch and UNREADABLE in reason[0] else reason[0]
        return f"{verdict.property}: {said}" if said else f"{verdict.property} could not be judged (exception raised)"
    return f"{verdict.property} {verdict.verdict}{f': {reason[0]}' if reason[0] else ''}"


def causes(verdicts: Iterable[Verdict]) -> tuple[Cause, ...]:
    """Return the causes of all that is red among the verdicts on one subject, the most telling first."""
    red = sorted((verdict for verdict in verdicts if verdict.red), key=_basic)
    groups: list[list[Verdict]] = []
    for verdict in (v for v in red if _key(v) not in (None, *SHOWN_BY)):
        _join(groups, verdict, partial(_same_key, verdict))
    for verdict in (v for v in red if _key(v) in (None, *SHOWN_BY)):
        _join(groups, verdict, partial(_same_key if _key(verdict) else follows, verdict))
    found = [Cause(tuple(sorted(group, key=partial(_leading, _shared(group))))) for group in _each_option_once(groups)]
    return tuple(sorted(found, key=lambda cause: (cause.diagnosis is None, _basic(cause.lead))))


def _join(groups: list[list[Verdict]], verdict: Verdict, belongs: Callable[[list[Verdict]], bool]) -> None:
    """Add the verdict to the first group that it belongs to, those about refusals last, or make it one."""
    for group in sorted(groups, key=lambda group: group[0].property.startswith("reject.")):
        if belongs(group):
            group.append(verdict)
            return
    groups.append([verdict])


def _each_option_once(groups: list[list[Verdict]]) -> list[list[Verdict]]:
    """The same, with one group for all that only one option raises, and one for all that only unbatched input shows.

    A layer that does not handle an option ends in one error here and in another there.
    """
    for option in OPTIONS:
        of_it = [group for group in groups if option in _shared(group) and _is_unhandled(option, group)]
        others = [group for group in groups if group not in of_it]
        groups = [*others, [verdict for group in of_it for verdict in group]] if of_it else others
    return groups


def _is_unhandled(option: str, group: Sequence[Verdict]) -> bool:
    return not any(one.diagnosis for one in group) and (option == UNBATCHED or all(map(_raised, group)))


def _leading(shared: set[str], verdict: Verdict) -> tuple[bool, tuple[bool, int, int]]:
    """What leads a cause: where it is in nothing but lengths, a property that speaks of them does."""
    about = verdict.property.startswith("lengths.") and "gradient" not in verdict.property and not _raised(verdict)
    return not (LENGTHS in shared and about), _basic(verdict)


def _basic(verdict: Verdict) -> tuple[bool, int, int]:
    """Wrong results before what was raised, and those by family; within one, the catalog's order stays, except what leads there."""
    first = FIRST_OF_ITS_FAMILY.index(verdict.property) if verdict.property in FIRST_OF_ITS_FAMILY else len(FIRST_OF_ITS_FAMILY)
    return _raised(verdict), place_of(verdict.property), first


def place_of(property: str) -> int:
    """Return how basic a property is: 0 for the first family, and all families once more for what is at extremes."""
    family, _, name = property.partition(".")
    if property in AT_ONCE:
        return 1 + AT_ONCE.index(property)
    place = BASIC_FIRST.index(family) if family in BASIC_FIRST else len(BASIC_FIRST)
    if "gradient" in name:  # wrong results lead, whichever family speaks of their gradients
        place = max(place, BASIC_FIRST.index("gradient"))
    last = property in AT_EXTREMES or property in IN_ANOTHER_WAY
    return place + len(AT_ONCE) * (place > 0) + (1 + len(BASIC_FIRST) + len(AT_ONCE)) * last


def _raised(verdict: Verdict) -> bool:
    return verdict.verdict == "errored" and UNREADABLE not in (verdict.reason or "") and DISCONNECTED not in (verdict.reason or "")


def _key(verdict: Verdict) -> str | None:
    """What makes verdicts one cause whatever they are about: a diagnosis, an exception, one way to die."""
    if verdict.diagnosis:
        return verdict.diagnosis
    died = verdict.verdict in ("crashed", "hung")
    if _raised(verdict) or died:
        first = (verdict.reason or verdict.property).splitlines()[0]
        if MIXED in first and not verdict.property.startswith("reject."):
            return MIXED
        if IN_PLACE.search(first):
            return "in place"
        of_its_own = verdict.property if verdict.property in BY_THEMSELVES and not died else ""
        return f"{verdict.verdict} {of_its_own} {VARYING.sub('*', first)}"
    if verdict.property.startswith("reject.") and not _about_states(verdict):
        return "wrong input accepted" if "accepted" in (verdict.mismatch or "") else "wrong input refused in other words"
    return None


def _same_key(verdict: Verdict, group: Sequence[Verdict]) -> bool:
    key = _key(verdict)
    return _key(group[0]) == key or any(member.property == SHOWN_BY.get(key or "") for member in group)


def _about_states(verdict: Verdict) -> bool:
    """Whether it is about wrong states that are accepted, which a layer that ignores states does."""
    return verdict.property.startswith("reject.hx") and "accepted" in (verdict.mismatch or "")


def follows(verdict: Verdict, group: Sequence[Verdict]) -> bool:
    """Return whether a failure without a diagnosis may well be a consequence of what the group shows."""
    lead = min((member for member in group if member.property not in WHY or len(group) == 1), key=_basic)
    of_refusals = {one.property.startswith("reject.") for one in (lead, verdict)}
    if _raised(lead) or lead.verdict in ("crashed", "hung") or len(of_refusals) > 1:
        return _about_states(verdict) and _ignores_states(group)
    if lead.property.startswith("shape."):
        return lead.property not in (*BY_THEMSELVES, *IN_ANOTHER_WAY)
    if _says_why(verdict, group) or any(_says_why(member, [verdict]) for member in group):
        return True
    if verdict.property in BY_THEMSELVES or lead.property in BY_THEMSELVES:
        return False
    explained = any(member.diagnosis for member in group)
    return not (explained and verdict.location) and _may_share(verdict, group)


def _says_why(verdict: Verdict, group: Sequence[Verdict]) -> bool:
    """Whether it says why the calls or batches of the group cannot be compared; what a call writes tells of no batch."""
    explained = {"mode.rng": AT_ONCE, "layout.no_mutation": NOT_AGAIN}.get(verdict.property, ())
    return any(member.property in explained for member in group)


def _ignores_states(group: Sequence[Verdict]) -> bool:
    said = {member.diagnosis for member in group} | {member.property for member in group}
    return any("initial" in (words or "") or words == "state.used" for words in said)


def _may_share(verdict: Verdict, group: Sequence[Verdict]) -> bool:
    """Whether both need the same of a case to fail, or have it, as far as it is known."""
    needs, shared = _needs(verdict) - MANY_STEPS, _shared(group) - MANY_STEPS
    if shared and shared <= needs:
        return True
    return needs <= _has(group[0]) | shared and shared <= _has(verdict) | needs


def _shared(group: Sequence[Verdict]) -> set[str]:
    """What some of them need of a case, and every case has."""
    wanted: set[str] = set().union(*map(_needs, group))
    return {need for need in wanted if all(need in _has(member) | _needs(member) for member in group)}


def _needs(verdict: Verdict) -> set[str]:
    return {*(verdict.needs or ())} - {GIVEN}


def _has(verdict: Verdict) -> set[str]:
    """What the case has of that which others need: unbatched is whatever can be, so that this alone says nothing.

    A property that speaks of lengths gives them, where the case does not.
    """
    of_chance = verdict.needs is not None and verdict.property != "batch.unbatched"
    given = {LENGTHS} if verdict.property.startswith("lengths.") else set()
    return features_of(verdict.case) - ({UNBATCHED} if of_chance else set()) | given
