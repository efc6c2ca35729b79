"""bench/processors.py: that a run which is red under one imitation only is told, and that imitating does something."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.effort import only_nightly

FILE = Path(__file__).parents[2] / "bench" / "processors.py"
LIKE_AVX2 = "import os, sys; print('seen', os.environ['ONEDNN_MAX_CPU_ISA']); sys.exit(os.environ['ONEDNN_MAX_CPU_ISA'] == 'AVX2')"
KERNELS = """
import sys, torch
from rnncheck.adapters.torch_layers import torch_nn
print(torch.backends.cpu.get_cpu_capability(), *(torch_nn("LSTM").offers(name) for name in ("autocast", "autocast_half")))
"""


@pytest.fixture
def processors(monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_processors", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_processors", module)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_five_processors_and_every_file_is_there(processors):
    assert len({tuple(sorted(told.items())) for told in processors.PROCESSORS.values()}) == 5
    assert all(told.keys() <= {"ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS"} and told
               for told in processors.PROCESSORS.values())  # fmt: skip
    assert len(processors.RUNS) == 4
    assert all((FILE.parents[1] / test).exists() for test in processors.TESTS)


@only_nightly
def test_the_main_job_can_be_started_as_it_is_written(processors, monkeypatch):
    quick = ["--max-examples", "8", "--properties", "agree.forward"]
    monkeypatch.setattr(processors, "RUNS", {"one case": [*processors.RUNS["the main job"], *quick]})
    found = processors.under("AVX2", "one case")
    assert found.code == 0, found.said


def test_what_is_red_on_one_processor_is_told(processors, monkeypatch, capsys):
    monkeypatch.setattr(processors, "RUNS", {"planted": ["-c", LIKE_AVX2]})
    assert processors.main(["--jobs", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(": green, " in line for line in lines) == 4
    assert any(line.startswith("AVX2: planted: RED (exit code 1), ") for line in lines)
    assert "seen AVX2" in lines and "seen SSE41" not in lines and lines[-1] == "1 red"
    assert processors.main(["--only", "SSE4.1"]) == 0


@pytest.mark.parametrize("name", ["PROCESSORS", "RUNS"])
def test_an_empty_table_is_no_green(processors, monkeypatch, name):
    monkeypatch.setattr(processors, name, {})
    with pytest.raises(ValueError, match="there is no processor to imitate, or nothing to run"):
        processors.main([])


@only_nightly
@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else True,
                    reason="what is taken away must be there")  # fmt: skip
@pytest.mark.parametrize(("name", "seen"), [("SSE4.1", "DEFAULT False False"), ("AVX2", "AVX2 False False")])
def test_an_imitation_takes_instructions_and_kernels_away(processors, name, seen):
    told = {**os.environ, **processors.FEW, **processors.PROCESSORS[name]}
    done = subprocess.run([sys.executable, "-c", KERNELS], env=told, text=True, capture_output=True, check=True)
    assert done.stdout.strip().replace("NO AVX", "DEFAULT") == seen  # torch 2.6 has the other name
