"""What was not checked, grouped by the reason, in words that say what to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rnncheck.core.features import EVERY_FEATURE
from rnncheck.core.verdict import NO_CASE, TOO_DEAR, Verdict
from rnncheck.report.words import some

SHORT = {
    "layers": "num_layers", "bidirectional": "bidirectional", "batch_first": "batch_first", "bias_off": "bias=False",
    "dropout": "dropout", "proj": "proj_size", "hx": "an initial state", "hx_none": "no initial state", "state": "final states",
    "layer_axis": "states with an axis of layers", "unbatched": "unbatched input", "batched": "batched input",
    "packed": "packed input", "lengths": "lengths as an argument", "second": "second derivatives",
    "jvp": "forward-mode derivatives", "compile": "torch.compile", "export": "torch.export", "script": "torch.jit.script",
    "onnx": "ONNX export", "torch_init": "torch's initial parameters", "torch_parameters": "torch's parameter names",
    "reset_before": "the reset gate before the product", "reset_after": "the reset gate after the product",
    "time_first": "batch_first=False",
}  # fmt: skip
"""Features that are options, as a user would write them; others are named in the words of FEATURES."""
REFUSAL = re.compile(r"an input of (\d+) features instead of (\d+) is (.*)", re.DOTALL)
UNMATCHED = re.compile(r"its parameters \((.*)\) cannot be matched one to one with torch's \((.*)\)")
RAISED = re.compile(r"the subject raised on every case tried: see (.*)", re.DOTALL)


@dataclass(frozen=True)
class Unchecked:
    """How many properties were not checked for this reason, and which."""

    properties: tuple[str, ...]
    reason: str


def unchecked(verdicts: Sequence[Verdict]) -> list[Unchecked]:
    """Return a group a reason, those that can be helped first and the largest of them foremost."""
    groups: dict[tuple[int, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.verdict in ("not_claimed", "not_applicable", "not_reached"):
            groups.setdefault(_sort(verdict), []).append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1])))
    return [Unchecked(tuple(v.property for v in members), _words(key, members)) for (_, key), members in ordered]


def _feature(reason: str | None) -> tuple[str | None, str]:
    """Which feature a reason begins with, and what is said of it behind the colon."""
    for feature, words in EVERY_FEATURE.items():
        if reason is not None and (reason == words or reason.startswith(f"{words}: ")):
            return feature, reason[len(words) + 2 :]
    return None, reason or ""


def _sort(verdict: Verdict) -> tuple[int, str]:
    """The group: its place, and a key that its members share."""
    reason = verdict.reason or ""
    if verdict.verdict == "not_applicable" or reason.startswith("mode "):
        return 4, "other"
    if verdict.verdict == "not_reached":
        return (3 if verdict.elsewhere else 0), RAISED.sub("raised", reason)
    feature, why = _feature(reason)
    if feature and why == TOO_DEAR:
        return 0, TOO_DEAR
    if feature in ("load", "refusals"):
        return 1, f"{feature}: {why}"
    return (2, "options") if feature else (1, reason)


def _words(key: str, members: Sequence[Verdict]) -> str:
    reasons = list(dict.fromkeys(verdict.reason or "" for verdict in members))
    if key == "options":
        features = dict.fromkeys(_feature(reason)[0] or reason for reason in reasons)
        told = [SHORT.get(name) or EVERY_FEATURE.get(name, name) for name in features]
        return f"what it does not offer: {some(told, 12)}"
    if key == "other":
        return f"about another kind of layer or case ({some([verdict.property for verdict in members])})"
    if key == "raised":
        first = (RAISED.fullmatch(reasons[0]) or [reasons[0]] * 2)[1]
        return f"nothing to compare on any case: see {first} first ({some([verdict.property for verdict in members])})"
    if key == NO_CASE:
        names = some([verdict.property for verdict in members])
        return f"the run ended before a case that they apply to ({names}): give it more, with --budget or --max-examples"
    if key == TOO_DEAR:
        return f"take too long for a first look ({some([verdict.property for verdict in members])}): --profile ci has them"
    if key.startswith("load: "):
        return f"all comparisons with the equations ({some([v.property for v in members])}): {_unmapped(key[6:])}"
    if key.startswith("refusals: "):
        return f"error messages for wrong input: {_unvalidated(key[10:])}"
    return f"{key} ({some([verdict.property for verdict in members])})"


def _unmapped(why: str) -> str:
    found = UNMATCHED.fullmatch(why)
    said = f"cannot map {found[1]} to {found[2]}" if found else why
    if not said or "if that is a mistake" in said:  # it says what to do
        return said or "its parameters cannot be set"
    return f"{said}. Name the parameters as torch does to have them checked"


def _unvalidated(why: str) -> str:
    found = REFUSAL.fullmatch(why)
    said = "the layer does not validate its input"
    if not found:
        return why or said
    return f'{said} ({found[1]} features instead of {found[2]}: "{found[3].splitlines()[0]}")'
