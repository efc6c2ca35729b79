"""The plan of cases: the same seed gives the same, whatever else is imported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANS = """
import os, zlib
from itertools import islice
from rnncheck.adapters.targets import resolve
from rnncheck.strategies.plan import plan

for imports in ("", "import constants", "import tests.mutants"):
    if os.fork():
        os.wait()
        continue
    exec(imports)
    for subject in resolve.subjects(["torch.nn.LSTM", "torch.nn.utils.clip_grad_norm_"]):
        cases = islice(plan(subject, ("float32", "float64"), 2, 7), 40)
        print(subject.name, zlib.crc32("; ".join(map(str, cases)).encode()), flush=True)
    break
"""
"""Draws the same plans in forks of a process that has drawn nothing, each with other imports."""


def test_other_modules_make_no_other_cases(tmp_path):
    """Hypothesis reads the constants of every local module, and mixes them into what it draws."""
    (tmp_path / "constants.py").write_text("NUMBERS = [" + ", ".join(str(1000 + 37 * n) for n in range(500)) + "]\n")
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", PLANS], capture_output=True, text=True, cwd=tmp_path, env=env, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and len(set(lines)) == 2
    assert {line.split()[0] for line in lines} == {"torch.nn.LSTM", "torch.nn.utils.clip_grad_norm_"}
