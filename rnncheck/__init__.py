"""Property-based verification and shape checking for recurrent networks in PyTorch.

>>> import rnncheck, torch
>>> report = rnncheck.verify(torch.nn.GRU, properties="shape.output,time.split", max_examples=12, engine="inline")
>>> report.exit_code
0
"""

from rnncheck.campaign.replay import check_case
from rnncheck.campaign.verify import verify
from rnncheck.core.config import Config
from rnncheck.core.deviation import Deviation
from rnncheck.core.subject import Subject
from rnncheck.errors import UsageError
from rnncheck.faces.pytest_items import Conformance, parametrize
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
    "Report",
    "Subject",
    "UsageError",
    "agrees_with",
    "bounded",
    "check_case",
    "checked",
    "norm_at_most",
    "parametrize",
    "settle",
    "unit_interval",
    "verify",
    "watch",
]
