"""The catalog as pytest items: ``@rnncheck.parametrize(MyLSTM)``, one item a property, stable ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rnncheck.backend.devices import asked_for, is_here
from rnncheck.campaign.verify import verify
from rnncheck.catalog import select
from rnncheck.core.deviation import Deviation, declare
from rnncheck.errors import UsageError
from rnncheck.report.model import Failed
from rnncheck.report.report import Report
from rnncheck.report.text import failure_text


@dataclass(frozen=True)
class Conformance:
    """One property on one target, not yet checked. ``options`` are those of rnncheck.verify."""

    target: Any
    property: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> Report:
        """Check it: returns the report, raises Failed with the message template, or skips what is not claimed."""
        __tracebackhide__ = True
        import pytest

        absent = [device for device in asked_for(self.options.get("device", "cpu")) if not is_here(device)]
        if absent:
            pytest.skip(f"there is no device {', '.join(absent)} here")
        report = verify(self.target, properties=self.property, **self.options)
        report.raise_if_failed()
        for subject, verdict in report.verdicts():
            if verdict.verdict in ("not_claimed", "not_applicable"):
                pytest.skip(f"{verdict.verdict.replace('_', ' ')}: {verdict.reason}")
            if verdict.verdict == "not_reached" and verdict.elsewhere:
                pytest.skip(f"not reached: {verdict.reason}")
            if verdict.verdict == "not_reached":
                raise Failed(f"{verdict.property} was not reached on {subject.name}: {verdict.reason}")
            if verdict.verdict == "deviates":
                pytest.xfail(failure_text(subject.name, verdict))
        return report

    def __repr__(self) -> str:
        return f"Conformance({self.property})"


def parametrize(
    target: Any,
    *,
    against: Any = None,
    properties: str = "*",
    deviations: Mapping[str, str] | Sequence[Deviation] | None = None,
    kind: str | None = None,
    **options: Any,
) -> Any:
    """A pytest mark: the decorated test gets ``conformance``, once for each property; call ``conformance.check()``.

    deviations: property -> reason; such an item is expected to fail, and fails if it no longer does
    options: those of rnncheck.verify; by default 40 cases an item, in isolated workers, and failing cases are kept under
            ``.rnncheck`` in pytest's root folder (folder=None keeps none)

    Raises UsageError if a property or a deviation names nothing. Needs pytest (``rnncheck[pytest]``).
    """
    import pytest

    try:
        chosen = select(properties)
    except KeyError as glob:
        raise UsageError(f"properties = {properties!r}, but {glob} names no property; see: rnncheck list") from None
    clip = kind == "clip" or "max_norm" in getattr(getattr(target, "__code__", None), "co_varnames", ())
    declared = declare(deviations)
    unknown = [d.property for d in declared if d.property not in {prop.id for prop in chosen}]
    if unknown:
        raise UsageError(f"deviations = {', '.join(unknown)}, but no such property is checked here; see: rnncheck list")
    common = {"against": against, "kind": kind, "max_examples": 40, "jobs": 1, **options}
    items = [
        pytest.param(Conformance(target, prop.id, {**common, "deviations": [d for d in declared if d.property == prop.id]}),
                     id=prop.id)
        for prop in chosen if (prop.family == "clip") == clip
    ]  # fmt: skip
    return pytest.mark.parametrize("conformance", items, indirect=True)
