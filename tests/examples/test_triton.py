"""The example's Triton kernel, in Triton's interpreter: where triton is installed."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "triton_scan.py"
PROPERTIES = "time.split,state.used,gradient.numerical,gradient.second,batch.alone"


def why_not() -> str:
    """Return why no kernel can be interpreted here; empty where one can."""
    try:
        found = version("triton")
    except PackageNotFoundError:
        return "triton is not installed"
    return f"the interpreter of triton {found} fails by itself with numpy 2" if found.startswith("3.2.") else ""


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "a kernel can be interpreted here")
@pytest.mark.parametrize(("call", "code"), [("Scan.apply", 0), ("scan", 1)])
def test_a_kernel_is_judged_without_a_gpu(tmp_path, call, code):
    """The kernel that is right passes; called past autograd in its backward, its second derivatives are wrong."""
    source = EXAMPLE.read_text()
    assert "of_x = Scan.apply(later" in source
    (tmp_path / "kernel.py").write_text(source.replace("of_x = Scan.apply(later", f"of_x = {call}(later"))
    words = [sys.executable, "-m", "rnncheck", "verify", "kernel.py:leaky_sum", "--properties", PROPERTIES]
    words += ["--max-examples", "4", "--engine", "inline"]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == code and ("gradient.second" in done.stdout) == bool(code), done.stdout + done.stderr
