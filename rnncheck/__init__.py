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
from rnncheck.faces.agreement import agrees_with, settle
from rnncheck.faces.conformance import Conformance, parametrize
from rnncheck.faces.decorators import ContractViolation, bounded, norm_at_most, unit_interval
from rnncheck.faces.watch import watch
from rnncheck.report import Failed, Report
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
