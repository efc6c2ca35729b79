"""The script of a failing case fails by itself, and passes with a layer that is right.

For some mutants always, for all of them in ``tox -e kills``.
"""

import os
from dataclasses import replace
from typing import Any

import pytest
import torch

import rnncheck
from rnncheck.adapters.cells import Stepwise
from rnncheck.backend.torch_state import preserved
from rnncheck.judging.judge import judge, trial_of
from rnncheck.repro import reproduces, script
from rnncheck.repro.fatal import GREEDY
from rnncheck.repro.literal import NoLiteral, literal
from rnncheck.repro.run import expected_error
from tests.effort import some
from tests.mutants import MUTANTS
from tests.mutants.registry import Mutant
from tests.mutants.search import first_kill, smallest, subject_of
from tests.run_script import raised_by

EVERY = 1 if os.environ.get("RNNCHECK_ALL_MUTANTS") else 22
ALWAYS = ("own-clip-copies-count-twice", "own-clip-each-list")
"""Their scripts start processes, or pass lists of lists."""
SOME = [bug for place, bug in enumerate(MUTANTS) if place % EVERY == 0 or bug in ALWAYS]


def script_of(bug: str) -> str | None:
    """Of the minimal failing case of the first kill; ``build`` is given to it as MUTANT."""
    mutant = MUTANTS[bug]
    subject = replace(subject_of(mutant), source="build = MUTANT")
    with preserved():
        kill = first_kill(subject, among=mutant.property_hint)
        assert kill is not None
        case = smallest(subject, kill)
        with preserved():  # as a campaign judges
            outcome = judge(kill.prop, trial_of(subject, case))
        return script(subject, kill.prop, case, outcome)


def ends(text: str, mutant: Mutant, target: Any) -> Exception | None:
    """What the script raises when MUTANT is this target; a cell is made a layer first."""
    built = (lambda *sizes, **options: Stepwise(target(*sizes, **options))) if mutant.kind == "cell" else target
    return raised_by(text, MUTANT=built)


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


DEADLY = """
import ctypes, os, time
from torch import nn

class Dies(nn.GRU):
    def forward(self, x, hx=None):
        if self.num_layers == 2 and self.bidirectional:
            {deed}
        return super().forward(x, hx)
"""


@pytest.mark.parametrize(
    "deed, says",
    some(
        [
            ("ctypes.string_at(0)", "# expected to end with SIGSEGV"),
            ("os._exit(0)", "# expected to end with exit code 0"),
            ("time.sleep(1000)", "# expected not to end within"),
        ],
        3,
    ),
)
def test_a_crash_or_a_hang_has_a_script_too(tmp_path, monkeypatch, deed, says):
    (tmp_path / "dies.py").write_text(DEADLY.format(deed=deed))
    told = {"properties": "shape.output", "max_examples": 12, "case_seconds": 1.0, "jobs": 1}
    with monkeypatch.context() as brief:  # what hangs is waited for no longer than needed
        brief.setattr("rnncheck.repro.run.START", 4.0)
        brief.setattr("rnncheck.campaign.shrinking.MOST_SHRINKING", 4.0)
        report = rnncheck.verify(f"{tmp_path}/dies.py:Dies", **told, repro=tmp_path / "scripts")
    ((_, verdict),) = report.failures
    (file,) = (file for file in (tmp_path / "scripts").iterdir() if not file.name.startswith("test_"))
    assert verdict.verdict in ("crashed", "hung") and "script" not in (verdict.reason or "")
    assert says in file.read_text()
    (tmp_path / "dies.py").write_text(DEADLY.format(deed="pass"))
    assert "does not fail on its own" in (reproduces(file) or "")


def test_what_takes_all_memory_is_not_run_beside_others(tmp_path):
    (tmp_path / "script.py").write_text(f"{GREEDY}\nraise AssertionError\n")
    assert "was not run" in (reproduces(tmp_path / "script.py") or "")


def test_a_tensor_of_vmap_is_not_written_out():
    """Once vmap is over it has no values that anybody could read."""
    seen = []
    torch.vmap(lambda x: seen.append(x) or x)(torch.ones(2, 3))
    with pytest.raises(NoLiteral, match="without values of its own"):
        literal(seen[0])
