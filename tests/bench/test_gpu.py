"""bench/gpu.py on the CPU, where it takes the same way but for the events and the graphs."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest
import torch

from rnncheck.backend.devices import is_here
from tests.effort import only_nightly

FILE = Path(__file__).parents[2] / "bench" / "gpu.py"


@pytest.fixture
def gpu(monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_gpu", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "bench_gpu", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SIZES", ((2, 3, 4, 5), (1, 4, 5, 6)))
    return module


def test_a_line_for_each_layer_size_and_way(gpu, capsys):
    assert gpu.main(["--device", "cpu", "--ways", "eager,graphs", "--repeats", "3", "--cases", "6"]) == 0
    first, head, *lines, last = capsys.readouterr().out.splitlines()
    assert first.startswith("cpu: ")
    assert head == gpu.HEAD
    assert [line.split()[:6] for line in lines] == [
        [name, *size.split(), "eager"] for name in gpu.LAYERS for size in ("2 3 4 5", "1 4 5 6")
    ]
    assert all(float(number) > 0 for line in lines for number in line.split()[6:])
    assert "cases of torch.nn.LSTM verified a second" in last


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=only_nightly)])
def test_compiled(gpu, monkeypatch, backend):
    """With inductor, as on a GPU, a compiler of C++ is at work for twenty seconds; Dynamo takes the same way with either."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    row = gpu.measured("GRU", (2, 3, 4, 5), "compiled", "cpu", 1)
    assert len(row.forward) == len(row.both) == 2


@pytest.mark.skipif(is_here("cuda"), reason="there is CUDA here")
def test_without_the_device_it_says_so(gpu, capsys):
    assert gpu.main([]) == 3
    assert capsys.readouterr().out.startswith("there is no device cuda here: nothing was measured")


def test_medians_are_taken_in_turns_after_a_warm_up(gpu, monkeypatch):
    calls = []
    monkeypatch.setattr(gpu, "milliseconds", lambda work, device: work() or float(len(calls)))
    assert gpu.medians((lambda: calls.append("a"), lambda: calls.append("b")), "cpu", 3) == (9.0, 10.0)
    assert calls == ["a", "b"] * 6
