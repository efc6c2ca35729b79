"""A script of a case on which the process dies, or does not come back; written without running the subject."""

import re
from typing import Any

from rnncheck.core.case import Case
from rnncheck.core.clip_case import ClipCase
from rnncheck.core.pair_case import PairCase
from rnncheck.core.step_case import StepCase
from rnncheck.core.subject import Subject
from rnncheck.core.verdict import Outcome
from rnncheck.repro.clip_log import recorded_clip
from rnncheck.repro.construct import layer_lines
from rnncheck.repro.literal import literal
from rnncheck.repro.pair_calls import first_pair
from rnncheck.repro.sources import sources_of
from rnncheck.repro.step_calls import first_step
from rnncheck.running.clip_trial import clipped
from rnncheck.running.trial import Trial

RETURNED = "the call came back"
"""What such a script prints where nothing happens to it."""


GREEDY = "# expected to take more and more memory"
"""What it says of itself where it had better not be run beside anything else."""


def how_it_ends(outcome: Outcome) -> str | None:
    """What the script says of its end, as ``run.reproduces`` reads it; None where it ends as others do."""
    reason = outcome.reason or ""
    if outcome.status == "hung":
        seconds = re.search(r"within ([\d.]+) s", reason)
        return f"# expected not to end within {seconds[1]} s" if seconds else None
    if outcome.status == "crashed" and "of memory" in reason:
        return GREEDY
    if outcome.status == "crashed":
        end = re.search(r"SIG[A-Z]+|exit code \d+", reason)
        return f"# expected to end with {end[0]}" if end else "# expected to end without a word"
    return None


def deadly(subject: Subject, case: Any) -> str:
    """The script's body: build the layer, load it, call it, and go backward if the case is one of training."""
    kinds = {Case: _layer, ClipCase: _clip, StepCase: first_step, PairCase: first_pair}
    lines = kinds[type(case)](subject, case)
    return "\n".join(["import faulthandler\n", "faulthandler.enable()", *lines, f"print({RETURNED!r})", ""])


def _layer(subject: Subject, case: Case) -> list[str]:
    trial = Trial(subject, case)
    x, hx = trial.lay_out(trial.x, trial.state)
    given = "" if hx is None else f", {literal(case.config.as_hx(hx))}"
    return [
        *layer_lines(case.config, case, trial.parameters),
        "with torch.no_grad():",
        "    for name, value in parameters.items():",
        "        if name in own and own[name].shape == value.shape:",
        "            own[name].copy_(value)",
        f"layer.train({case.training})",
        f"with torch.set_grad_enabled({case.training}):",
        f"    output, state = layer({literal(x)}{given})",
        *(["(output if isinstance(output, torch.Tensor) else output.data).sum().backward()"] if case.training else []),
    ]


def _clip(subject: Subject, case: Any) -> list[str]:
    trial, _ = recorded_clip(subject, case)
    return [sources_of([clipped]), "", f"clipped({trial.call_text()}, {literal(trial.gradients)}, {trial.twice})"]
