"""The script of a failing case fails by itself, and passes with a layer that is right.

For some mutants always, for all of them in ``tox -e kills``.
"""

import os
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch

from rnncheck.adapters.torch_cells import Stepwise
from rnncheck.judge import judge, trial_of
from rnncheck.repro import script
from rnncheck.repro.run import expected_error
from tests.mutants import MUTANTS
from tests.mutants.hunt import first_kill, smallest, subject_of
from tests.mutants.registry import Mutant

EVERY = 1 if os.environ.get("RNNCHECK_ALL_MUTANTS") else 11
SOME = [bug for place, bug in enumerate(MUTANTS) if place % EVERY == 0]


def script_of(bug: str) -> str | None:
    """Of the minimal failing case of the first kill; ``build`` is given to it as MUTANT."""
    mutant = MUTANTS[bug]
    subject = replace(subject_of(mutant), source="build = MUTANT")
    kill = first_kill(subject, among=mutant.property_hint)
    assert kill is not None
    case = smallest(subject, kill)
    return script(subject, kill.prop, case, judge(kill.prop, trial_of(subject, case)))


def ends(text: str, mutant: Mutant, target: Any) -> Exception | None:
    """What the script raises when MUTANT is this target; a cell is made a layer first."""
    built = (lambda *sizes, **options: Stepwise(target(*sizes, **options))) if mutant.kind == "cell" else target
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        try:
            exec(compile(text, "script.py", "exec"), {"MUTANT": built})
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("bug", SOME)
def test_it_fails_by_itself_and_passes_once_mended(bug):
    mutant, text = MUTANTS[bug], script_of(bug)
    assert text is not None
    error, mended = ends(text, mutant, mutant.target), ends(text, mutant, mutant.clean)
    assert type(error).__name__ in ("AssertionError", expected_error(text)), error
    assert mended is None or isinstance(mended, NotImplementedError), mended  # what its clean twin does not offer


def test_it_needs_nothing_but_torch_and_the_subject():
    text = script_of("gates-i-f-swapped")
    assert text is not None
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["import torch", "from torch import tensor"]
