"""What is said of one property: on one case (Outcome), and on all of them (Verdict)."""

import builtins
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from rnncheck.core.case import Case
from rnncheck.core.property import Severity

Status = Literal["holds", "fails", "deviates", "not_applicable", "not_claimed", "not_reached", "errored", "crashed", "hung",
                 "warns"]  # fmt: skip
GREEN: tuple[Status, ...] = ("holds",)
RED: tuple[Status, ...] = ("fails", "errored", "crashed", "hung")
OPEN: tuple[Status, ...] = ("not_reached",)
TOO_DEAR = "too dear for a first look"
"""Why a feature is not claimed that takes long to probe, where no property that needs it was chosen."""
NO_CASE = "the run ended before a case that it applies to"
"""Why a property was not reached that more cases would have reached."""
TIME_UP = "when the time was up"
"""What is said of a check that had been begun then."""
NOT_TOLD = "# with parameters that take more lines: the script sets them"
"""Stands in a verdict's calls for parameters that are too many or too large to be shown."""
CHECKED: tuple[Status, ...] = (*GREEN, *RED, "deviates", "warns")
LARGEST = 1e308
"""Stands for infinity in JSON, which has none."""
Course = tuple[tuple[float, float], ...]
"""(|error|, allowed) at each time step."""


@dataclass(frozen=True)
class Outcome:
    """One property on one case; ``budget_used`` is None where no difference was allowed in the first place.

    course: where it fails along time, what it is off and what is allowed at each step
    cause:  what the subject raised and where, without numbers and dtypes: outcomes of one cause show one defect
    elsewhere: whether what was not reached, or is not claimed, can be reached on another machine only
    undecided: whether it was not reached because rounding may change every number that was compared
    of_run: whether what died is the run that all properties of the case share
    """

    property: str
    status: Status
    budget_used: float | None = None
    mismatches: tuple[str, ...] = ()
    reason: str | None = None
    course: Course | None = None
    cause: str | None = None
    elsewhere: bool = False
    undecided: bool = False
    of_run: bool = False

    @builtins.property
    def red(self) -> bool:
        """Whether something is wrong."""
        return self.status in RED

    @builtins.property
    def differing(self) -> tuple[str, ...]:
        """The lines of what differs, or what was raised in one."""
        return self.mismatches or tuple((self.reason or "").splitlines()[:1])

    def alike(self, other: "Outcome") -> bool:
        """Whether both go wrong in the same way."""
        return (self.status, self.cause) == (other.status, other.cause)


@dataclass(frozen=True)
class Verdict:
    """One property on one subject, over every case tried; the fields are the keys of the JSON report.

    cases:       on how many cases it was checked
    budget_used: the largest |error| / allowed seen, None where nothing was measured
    mismatch:    what differs in the minimal failing case
    location:    the first time step, layer, direction, row and gate that is wrong
    diagnosis:   the change under which the subject would agree
    case:        the minimal failing case
    repro:       where the standalone script lies
    regression_test: where the pytest test of that case lies
    reason:      why it deviates, is not claimed, was not reached; the traceback's last lines where it raised
    irrelevant:  the fields of the minimal case that could as well be anything else
    stored:      the file that ``rnncheck replay`` takes
    by_dtype:    the largest budget used for each dtype, None where nothing was measured
    course:      |error| and allowed at each time step, in the case that failed first, before it was made smaller
    elsewhere:   whether it can be reached on another machine only: a device or an optional package is not here
    calls:       the failure in a few lines of Python
    needs:       what the minimal failing case must have to fail, in words; None where that was not tried
    severity:    "contract", or "convention": one that is not kept is warned of, unless the layer is to be as torch's is
    """

    property: str
    verdict: Status
    kind: str
    cases: int
    budget_used: float | None
    statement: str
    mismatch: str | None = None
    location: str | None = None
    diagnosis: str | None = None
    case: Case | None = None
    repro: str | None = None
    reason: str | None = None
    irrelevant: tuple[str, ...] = ()
    stored: str | None = None
    by_dtype: Mapping[str, float] | None = None
    course: Course | None = None
    elsewhere: bool = False
    regression_test: str | None = None
    calls: str | None = None
    needs: tuple[str, ...] | None = None
    severity: Severity = "contract"

    @builtins.property
    def red(self) -> bool:
        """Whether something is wrong."""
        return self.verdict in RED

    def but(self, **changes: Any) -> "Verdict":
        """The same verdict with these fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Every field by name, null where it does not apply; no infinities, which JSON does not have."""
        data = asdict(replace(self, case=None))
        used = self.budget_used
        data["budget_used"] = None if used is None else min(used, LARGEST)
        data["by_dtype"] = self.by_dtype and {dtype: min(used, LARGEST) for dtype, used in self.by_dtype.items()}
        data["course"] = self.course and [[min(value, LARGEST) for value in step] for step in self.course]
        data["case"] = None if self.case is None else self.case.to_json()
        return data
