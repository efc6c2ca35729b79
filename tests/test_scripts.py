"""The script of a failing case fails by itself: for some mutants always, for all of them in ``tox -e kills``."""

import os
import warnings
from dataclasses import replace

import pytest
import torch

from rnncheck.judge import judge, trial_of
from rnncheck.repro import script
from tests.mutants import MUTANTS
from tests.mutants.hunt import first_kill, smallest, subject_of

EVERY = 1 if os.environ.get("RNNCHECK_ALL_MUTANTS") else 11
SOME = [bug for place, bug in enumerate(MUTANTS) if place % EVERY == 0]
GROUPS = {
    "the module takes lengths, which plain calls of a packed sequence do not show": """
        own-lengths-stale-output own-lengths-cut-to-longest own-lengths-zero-reads-last own-lengths-zero-refused-vaguely
        own-lengths-mask-by-product own-lengths-batch-first
    """,
    "what dropout does is a matter of many random draws": """
        dropout-scheme-depends-on-flags eval-sticks mask-not-resampled miopen-second-step-all-drop
        dropout-state-ignores-seed own-dropout-after-last own-dropout-not-rescaled own-dropout-keep-probability
        own-dropout-per-sequence own-dropout-on-recurrence own-dropout-off-after-eval
    """,
    "how parameters are drawn is a matter of many layers": """
        forget-bias-init-partial init-arg-on-wrong-layer config-values-permuted own-init-by-input-size
        own-init-misses-reverse own-zero-biases-without-bias
    """,
    "the backward pass is one of the property's own": """
        unused-output-crash second-backward eval-mode-backward zero-bias-graph double-backward-one-device
        own-second-derivative-silently-wrong own-autocast-backward-crashes own-graph-only-if-input-requires-grad
        own-frozen-layer-cuts-graph pack-backward-arity
    """,
    "the layer is called through a transformation, a switch or another dtype": """
        vmap-missing forward-ad-one-path own-autocast-state-in-float8 autocast-cell-bias compiled-backward
        own-compiled-without-hidden-bias own-onednn-off-path own-float64-in-float32
    """,
    "it is about the module itself or its memory, not about what calls return": """
        bf-flag-ignored stack-input-size-ignores-directions last-layer-size-off own-extra-buffer
        own-default-state-on-cpu own-foreign-state-zeroed forward-mutates-params own-default-state-cached
        own-state-is-view-of-output own-one-step-output-is-state own-deepcopy-shares-weights
        own-weights-cached-by-version own-clip-error-after-scaling
    """,
    "the tensors are too large to be written out": """
        own-vector-tail long-sequence-limit
    """,
}
NO_SCRIPT = {bug: why for why, bugs in GROUPS.items() for bug in bugs.split()}
"""Mutants whose failure no script of plain calls shows, and why; the report says so of each."""


def script_of(bug: str) -> str | None:
    """Of the minimal failing case of the first kill; ``build`` is given to it as MUTANT."""
    mutant = MUTANTS[bug]
    subject = subject_of(mutant)
    subject = replace(subject, source=subject.source or "build = MUTANT")
    kill = first_kill(subject, among=mutant.property_hint)
    assert kill is not None
    case = smallest(subject, kill)
    return script(subject, kill.prop, case, judge(kill.prop, trial_of(subject, case)))


def ends(text: str, target: object) -> BaseException | None:
    """What the script raises."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        try:
            exec(compile(text, "script.py", "exec"), {"MUTANT": target})
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("bug", SOME)
def test_it_fails_by_itself(bug):
    text = script_of(bug)
    error = None if text is None else ends(text, MUTANTS[bug].target)
    alone = isinstance(error, AssertionError) or (error is not None and "# expected to raise" in (text or ""))
    assert alone == (bug not in NO_SCRIPT), (error, NO_SCRIPT.get(bug))


def test_it_needs_nothing_but_torch_and_the_subject():
    text = script_of("gates-i-f-swapped")
    assert text is not None
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["import torch", "from torch import tensor"]
