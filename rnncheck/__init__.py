"""Property-based verification and shape checking for recurrent networks in PyTorch.

>>> import rnncheck, torch
>>> report = rnncheck.verify(torch.nn.GRU, properties="shape.output,time.split", max_examples=12, engine="inline")
>>> report.exit_code
0
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnncheck.campaign.replay import check_case
    from rnncheck.campaign.verify import verify
    from rnncheck.catalog.own import property
    from rnncheck.core.config import Config
    from rnncheck.core.deviation import Deviation
    from rnncheck.core.observation import near, within
    from rnncheck.core.subject import Subject
    from rnncheck.errors import UsageError
    from rnncheck.faces.pytest_items import Conformance, parametrize
    from rnncheck.reading.typed.markers import Lengths, Mask, Offsets, Options, Reset, State, Values
    from rnncheck.reading.typed.scan import scan
    from rnncheck.report import Failed, Report
    from rnncheck.runtime.agreement import agrees_with, settle
    from rnncheck.runtime.contracts import ContractViolation, bounded, norm_at_most, unit_interval
    from rnncheck.runtime.watch import watch
    from rnncheck.typechecked import checked

__all__ = [
    "Config",
    "Conformance",
    "ContractViolation",
    "Deviation",
    "Failed",
    "Lengths",
    "Mask",
    "Offsets",
    "Options",
    "Report",
    "Reset",
    "State",
    "Subject",
    "UsageError",
    "Values",
    "agrees_with",
    "bounded",
    "check_case",
    "checked",
    "near",
    "norm_at_most",
    "parametrize",
    "property",
    "scan",
    "settle",
    "unit_interval",
    "verify",
    "watch",
    "within",
]

_HOMES = {
    "Config": "rnncheck.core.config",
    "Conformance": "rnncheck.faces.pytest_items",
    "ContractViolation": "rnncheck.runtime.contracts",
    "Deviation": "rnncheck.core.deviation",
    "Failed": "rnncheck.report",
    "Lengths": "rnncheck.reading.typed.markers",
    "Mask": "rnncheck.reading.typed.markers",
    "Offsets": "rnncheck.reading.typed.markers",
    "Options": "rnncheck.reading.typed.markers",
    "Report": "rnncheck.report",
    "Reset": "rnncheck.reading.typed.markers",
    "State": "rnncheck.reading.typed.markers",
    "Subject": "rnncheck.core.subject",
    "UsageError": "rnncheck.errors",
    "Values": "rnncheck.reading.typed.markers",
    "agrees_with": "rnncheck.runtime.agreement",
    "bounded": "rnncheck.runtime.contracts",
    "check_case": "rnncheck.campaign.replay",
    "checked": "rnncheck.typechecked",
    "near": "rnncheck.core.observation",
    "norm_at_most": "rnncheck.runtime.contracts",
    "parametrize": "rnncheck.faces.pytest_items",
    "property": "rnncheck.catalog.own",
    "scan": "rnncheck.reading.typed.scan",
    "settle": "rnncheck.runtime.agreement",
    "unit_interval": "rnncheck.runtime.contracts",
    "verify": "rnncheck.campaign.verify",
    "watch": "rnncheck.runtime.watch",
    "within": "rnncheck.core.observation",
}
"""Where each public name is defined: it is imported when it is first used, so that ``rnncheck --help`` needs no torch."""


def __getattr__(name: str) -> Any:
    """Return a public name, or a module of the package such as ``rnncheck.nn``, and keep it here."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif not name.startswith("_") and find_spec(f"rnncheck.{name}") is not None:
        value = import_module(f"rnncheck.{name}")
    else:
        raise AttributeError(f"module 'rnncheck' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names alone."""
    return list(__all__)
