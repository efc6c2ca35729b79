"""The catalog as pytest items: ``@rnncheck.parametrize(MyLSTM)``, one item a property, stable ids."""

import builtins
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rnncheck.adapters.pairs import is_example
from rnncheck.adapters.targets.locate import described
from rnncheck.backend.devices import asked_for, is_here
from rnncheck.campaign import importing
from rnncheck.catalog import select
from rnncheck.core.deviation import Deviation, declare
from rnncheck.core.verdict import Verdict
from rnncheck.errors import UsageError
from rnncheck.faces.pytest_campaigns import Campaigns, Question
from rnncheck.report.model import Failed
from rnncheck.report.report import Report
from rnncheck.report.text import failure_text


@dataclass(frozen=True)
class Conformance:
    """One property on one target, not yet checked.

    Attributes:
        options: those of rnncheck.verify, with the budget of one property
        campaigns: where a pytest session keeps what its items share; None where this property is checked by itself
    """

    target: Any
    property: str
    options: Mapping[str, Any] = field(default_factory=dict)
    campaigns: Campaigns | None = field(default=None, compare=False)

    def check(self) -> Report:
        """Return the report; raise Failed if the property does not hold; skip if it is not claimed."""
        __tracebackhide__ = True
        import pytest

        absent = [device for device in asked_for(self.options.get("device", "cpu")) if not is_here(device)]
        if absent:
            pytest.skip(f"there is no device {', '.join(absent)} here")
        report = (self.campaigns or Campaigns([])).report(self.question)
        report.raise_if_failed()
        for subject, verdict in report.verdicts():
            if report.shard is None or verdict.verdict == "not_claimed":  # another shard may have the cases
                _require_comparison(subject.name, verdict, self.options)
            if verdict.verdict in ("not_claimed", "not_applicable"):
                pytest.skip(f"{verdict.verdict.replace('_', ' ')}: {verdict.reason}")
            if verdict.verdict == "not_reached" and (verdict.elsewhere or report.shard is not None):
                pytest.skip(f"not reached: {verdict.reason}")
            if verdict.verdict == "not_reached":
                raise Failed(f"{verdict.property} was not reached on {subject.name}: {verdict.reason}")
            if verdict.verdict == "warns":
                warnings.warn(failure_text(subject.name, verdict), stacklevel=2)
            if verdict.verdict == "deviates":
                pytest.xfail(failure_text(subject.name, verdict))
        return report

    @builtins.property
    def question(self) -> Question:
        """The question to the campaign that it shares with other items."""
        return Question(self.target, self.property, self.options)

    def __repr__(self) -> str:
        return f"Conformance({self.property})"


def _require_comparison(subject: str, verdict: Verdict, options: Mapping[str, Any]) -> None:
    """Raises Failed where ``against`` was given and nothing was compared: no green, and no skip, for what was asked for."""
    __tracebackhide__ = True
    declared = any(deviation.property == verdict.property for deviation in declare(options.get("deviations")))
    unchecked = verdict.property == "agree.against" and verdict.verdict in ("not_claimed", "not_applicable")
    if options.get("against") is not None and unchecked and not declared:
        raise Failed(
            f"{verdict.property} could not be checked on {subject}, but against = {_name(options['against'])} asks for it\n"
            f"  {verdict.reason}\n"
            "  to have it checked: give the parameters torch's names and shapes (weight_ih_l0, weight_hh_l0, bias_ih_l0, …)\n"
            "  to do without: leave out against=, or write deviations={'agree.against': 'why it cannot be compared'}"
        )


def _about(target: Any, kind: str | None, against: Any) -> str:
    """The kind of subject, as far as it can be told before the target is resolved."""
    if kind in ("clip", "step", "pair"):
        return kind
    if kind is None and isinstance(against, type) and is_example(described(against)):
        return "pair"
    named = getattr(getattr(target, "__code__", None), "co_varnames", ())
    return "clip" if kind is None and "max_norm" in named else "layer"


def _name(target: Any) -> str:
    return str(getattr(target, "__qualname__", target))


def parametrize(
    target: Any,
    *,
    against: Any = None,
    properties: str = "*",
    deviations: Mapping[str, str] | Sequence[Deviation] | None = None,
    kind: str | None = None,
    **options: Any,
) -> Any:
    """Return a pytest mark: the decorated test gets ``conformance``, once for each property; call ``conformance.check()``.

    Args:
        target: as in rnncheck.verify, but one alone
        against: as in rnncheck.verify, as are ``properties`` and ``kind``
        deviations: property -> reason; such an item is expected to fail, and fails if it no longer does
        options: those of rnncheck.verify, with the budget of one property; by default 40 cases an item, in isolated workers, and
            failing cases are kept under ``.rnncheck`` in pytest's root folder (folder=None keeps none)

    The items of one target that are selected share one campaign, which runs when the first of them is checked.

    Raises UsageError if a property or a deviation names nothing. Needs pytest (``rnncheck[pytest]``).
    """
    import pytest

    importing.properties(options.get("properties_from", ()))
    try:
        chosen = select(properties)
    except KeyError as glob:
        raise UsageError(f"properties = {properties!r}, but {glob} names no property; see: rnncheck list") from None
    about = _about(target, kind, against)
    declared = declare(deviations)
    unknown = [d.property for d in declared if d.property not in {prop.id for prop in chosen}]
    if unknown:
        raise UsageError(f"deviations = {', '.join(unknown)}, but no such property is checked here; see: rnncheck list")
    common = {"against": against, "kind": kind, "max_examples": 40, "deviations": declared, **options}
    items = [
        pytest.param(Conformance(target, prop.id, common), id=prop.id)
        for prop in chosen if prop.about == about
    ]  # fmt: skip
    return pytest.mark.parametrize("conformance", items, indirect=True)
