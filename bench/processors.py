"""What must be green on any processor, under imitations of five: ``python bench/processors.py [--only AVX2] [--jobs 2]``.

Environment variables of oneDNN, ATen and MKL keep them from newer instructions, so an imitation can only take some away. What
this processor does not have itself cannot be added, so that on an older one several imitations are the same. Without oneDNN
nothing is imitated: that is an axis of the main job's cases, and a layer among the oracle's.

Prints a line for each run, and all that a red one said; exit code 1 where one is red.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROCESSORS: Mapping[str, Mapping[str, str]] = {
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "AVX-512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "AVX-512 with bfloat16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "AVX-512 with float16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_FP16"},
}
"""By name, what makes torch's libraries take this processor for that one. ATen does what it is told, so it is told of nothing
that may not be there; the others take it for the most they may use."""

MAIN_JOB = (
    "agree.forward", "agree.autocast", "agree.dtype", "agree.no_grad", "gradient.reference", "shape.autocast", "batch.alone",
    "numeric.extreme",
)  # fmt: skip
"""The properties that compare what kernels compute: with the equations, in every dtype, with gradients and without."""
TESTS = (
    "tests/backend/test_unimplemented.py", "tests/adapters/test_probe.py", "tests/oracle/test_lanes.py", "properties/test_agree.py",
)  # fmt: skip
"""The tests that call torch's kernels in several dtypes, and"""
CHOSEN = "unimplemented or lanes or autocast or (torch.nn and (forward or dtype))"
"""those of their items that are about it."""
RUNS: Mapping[str, Sequence[str]] = {
    "the main job": (
        "-m", "rnncheck", "verify", "--profile", "smoke", "--engine", "inline", "--budget", "30m", "--max-examples", "16",
        "--properties", ",".join(MAIN_JOB),
    ),
    "the oracle": (str(ROOT / "bench" / "oracle.py"), "alarms", "--cases", "150"),
    "the oracle, autocast": (str(ROOT / "bench" / "oracle.py"), "alarms", "--models", "--cases", "50"),
    "the tests": (
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"),
        "-k", CHOSEN, *(str(ROOT / test) for test in TESTS),
    ),
}  # fmt: skip
"""By name, what Python is started with."""
FEW = {"RNNCHECK_PROPERTY_EXAMPLES": "4", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Finding:
    """What came of one run under one imitation."""

    processor: str
    run: str
    code: int
    seconds: float
    said: str

    def __str__(self) -> str:
        state = "green" if self.code == 0 else f"RED (exit code {self.code})"
        return f"{self.processor}: {self.run}: {state}, {self.seconds:.0f} s"


def under(processor: str, run: str) -> Finding:
    """Make one run as on this processor, in a folder of its own, where no case of another is kept."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *RUNS[run]], cwd=folder, env={**os.environ, **FEW, **PROCESSORS[processor]}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    return Finding(processor, run, done.returncode, time.monotonic() - began, done.stdout)


def findings(processors: Sequence[str], jobs: int) -> Iterator[Finding]:
    """Make every run under each imitation, ``jobs`` of them at once."""
    pairs = list(product(processors, RUNS))
    if not pairs:
        raise ValueError("there is no processor to imitate, or nothing to run")
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda pair: under(*pair), pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PROCESSORS, help="this one; may be given again")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    red = 0
    for finding in findings(given.only or list(PROCESSORS), given.jobs):
        red += finding.code != 0
        print(finding, *([finding.said] if finding.code else []), sep="\n", flush=True)
    print(f"{red} red" if red else "all green")
    return int(red > 0)


if __name__ == "__main__":
    sys.exit(main())
