"""The plan of cases: the same seed gives the same, whatever else is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAN = """
import sys, zlib
from itertools import islice
{imports}
from rnncheck.adapters.targets import resolve
from rnncheck.strategies.plan import plan
(subject,) = resolve.subjects({target!r})
cases = islice(plan(subject, ("float32", "float64"), 2, 7), 120)
print(zlib.crc32("; ".join(map(str, cases)).encode()))
"""


@pytest.mark.parametrize("target", ["torch.nn.LSTM", "torch.nn.utils.clip_grad_norm_"])
def test_other_modules_make_no_other_cases(tmp_path, target):
    """Hypothesis reads the constants of every local module, and mixes them into what it draws."""
    (tmp_path / "constants.py").write_text("NUMBERS = [" + ", ".join(str(1000 + 37 * n) for n in range(500)) + "]\n")
    sums = {
        subprocess.run([sys.executable, "-c", PLAN.format(imports=imports, target=target)], capture_output=True, text=True,
                       cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"}, check=True).stdout
        for imports in ("", "import constants", "import tests.mutants")
    }  # fmt: skip
    assert len(sums) == 1
