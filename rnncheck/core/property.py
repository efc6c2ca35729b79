"""One thing that must hold of every recurrent layer: a value, declared once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.observation import Observation
from rnncheck.core.pair_case import PairCase
from rnncheck.core.step_case import StepCase

KINDS: Mapping[str, Literal["clip", "step", "pair"]] = {"clip": "clip", "step": "step", "pair": "pair"}
"""The families that speak of other subjects than layers."""
Kind = Literal["invariant", "metamorphic", "differential", "derivative"]
Severity = Literal["contract", "convention"]


@dataclass(frozen=True)
class Condition:
    """The cases that a property speaks of, in words and as a test; ``a & b`` is both, ``~a`` is not a."""

    words: str
    test: Callable[[Any], bool]
    parts: tuple["Condition", ...] = ()

    def includes(self, other: "Condition") -> bool:
        """Return whether this is the other condition, or that and more.

        >>> one, two = Condition("one", bool), Condition("two", bool)
        >>> (one & two).includes(two), one.includes(two)
        (True, False)
        """
        return any(part is other for part in (self, *self.parts))

    def __call__(self, case: Case | ClipCase | StepCase | PairCase) -> bool:
        return self.test(case)

    def __and__(self, other: "Condition") -> "Condition":
        if self is anywhere or other is anywhere:
            return other if self is anywhere else self
        parts = (*(self.parts or (self,)), *(other.parts or (other,)))
        return Condition(f"{self.words}, {other.words}", lambda case: self.test(case) and other.test(case), parts)

    def __invert__(self) -> "Condition":
        return Condition(f"not {self.words}", lambda case: not self.test(case))


anywhere = Condition("every case", lambda case: True)


@dataclass(frozen=True)
class Property:
    """id ``family.name``, what must hold in words and as a formula, where it is from, and the check itself.

    needs:   the features that a subject must claim, beyond those that the case itself uses
    stratum: which cases it is tried on ("generic": the covering array; others are named in rnncheck.strategies)
    cost:    how long one check takes, in runs of the subject; cheap ones come first
    convention: what a layer does that does not hold to it, where that is no error: it is warned of; "" for a contract
    lenient: a pattern that each line of what differs or was raised must match for it to be a matter of convention;
             "": whatever differs
    torchs:  whether torch's layers keep the convention, so that it is a contract of what replaces them
    promised: the word in a subject's nature with which the convention is a contract of that subject
    by_choice: whether a subclass of torch's layers may break it on purpose: a contract only of what is to agree with them
    """

    id: str
    statement: str
    formula: str
    source: str
    kind: Kind
    applies: Condition
    check: "Check"
    needs: tuple[str, ...] = ()
    stratum: str = "generic"
    cost: int = 1
    convention: str = ""
    lenient: str = ""
    torchs: bool = True
    promised: str = ""
    by_choice: bool = False

    @property
    def severity(self) -> Severity:
        """Whether a layer that breaks it is wrong (contract), or does otherwise than torch's layers (convention)."""
        return "convention" if self.convention else "contract"

    def warns_of(self, differing: Sequence[str]) -> str | None:
        """Return what to warn of where this differs; None where a contract is broken."""
        if not self.convention or (self.lenient and not (differing and all(re.search(self.lenient, line) for line in differing))):
            return None
        return self.convention

    @property
    def family(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    @property
    def about(self) -> Literal["layer", "clip", "step", "pair"]:
        """The kind of subject that it speaks of."""
        return KINDS.get(self.family, "layer")


class WrongProperty(Exception):
    """A property of the user's own is wrong itself; the message says how, and where."""


Check = Callable[[Any], Observation]
"""From a Trial; in the families clip, step and pair from a ClipTrial, a StepTrial or a PairTrial."""


class Family:
    """Collects the properties of one file of the catalog; used as a decorator.

    The check's docstring is the statement, its first paragraph alone. A convention of the family is that of each property.
    """

    def __init__(self, name: str, convention: str = "", lenient: str = "") -> None:
        self.name, self.convention, self.lenient = name, convention, lenient
        self.properties: list[Property] = []

    def __call__(
        self,
        name: str,
        *,
        formula: str,
        source: str,
        kind: Kind,
        applies: Condition = anywhere,
        needs: tuple[str, ...] = (),
        stratum: str = "generic",
        cost: int = 2,
        convention: str = "",
        lenient: str = "",
        torchs: bool = True,
        promised: str = "",
        by_choice: bool = False,
    ) -> Callable[[Check], Check]:
        """Declare the decorated check as the property ``family.name``."""

        def declare(check: Check) -> Check:
            statement = " ".join((check.__doc__ or "").split("\n\n")[0].split())
            if not statement:
                raise ValueError(f"{self.name}.{name} has no statement: its check needs a docstring")
            prop = Property(
                f"{self.name}.{name}", statement, formula, source, kind, applies, check, needs, stratum, cost,
                convention or self.convention, lenient or self.lenient, torchs, promised, by_choice,
            )  # fmt: skip
            self.properties.append(prop)
            return check

        return declare
