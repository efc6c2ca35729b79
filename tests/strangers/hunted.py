"""How the mistakes of the table are hunted: until the first contract that one breaks."""

from dataclasses import replace
from typing import Any

from rnncheck.adapters.targets import resolve
from rnncheck.campaign.probing import probe_all
from rnncheck.core.subject import Claim, Subject
from tests.mutants.search import Kill, first_kill

from .judge_all import REFERENCES, TELLING
from .table import Mistake, Stranger

CASES = 12
TOO_DEAR = (
    "script", "export", "onnx", "compile", "meta", "autocast", "autocast_half", "bfloat16", "float16", "vmap", "jvp", "functional",
)  # fmt: skip
"""Features that take long to probe, and tell no mistake of the table."""


def subject_of(layer: Any, reference: str | None = None) -> Subject:
    """Return the layer as the command line would have it, without the dear features."""
    (subject,) = resolve.subjects(layer, reference)
    dear = dict.fromkeys(TOO_DEAR, Claim(False, "declared", "takes too long here"))
    return probe_all([replace(subject, claims={**subject.claims, **dear})], "inline")[0]


def asked(stranger: Stranger, mistake: Mistake) -> Subject:
    """Return the mistake as a subject, with the reference that it needs."""
    return subject_of(mistake.layer, REFERENCES[stranger.reads["family"]] if mistake.against else None)


def kill_of(subject: Subject, cases: int = CASES, by: str = TELLING) -> Kill | None:
    """Return the first contract that the subject breaks."""
    return first_kill(subject, cases, tuple(by.split(",")), strict=False)
