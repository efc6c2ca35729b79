"""``rnncheck cases``: a port is checked with numpy alone, right ones pass and wrong ones do not."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from rnncheck import UsageError
from rnncheck.bundle.portable import portable
from rnncheck.core.config import MODES
from rnncheck.faces.cli import cli

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "check_port.py"


@pytest.fixture(scope="module")
def port():
    spec = importlib.util.spec_from_file_location("check_port", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for mode in MODES:
        portable(mode, folder / f"{mode}.safetensors", cases=15)
    return folder


def test_the_example_needs_numpy_alone():
    imported = {
        name.name for node in ast.walk(ast.parse(EXAMPLE.read_text())) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"json", "struct", "sys", "numpy"}


def test_a_right_port_passes(files):
    done = subprocess.run([sys.executable, EXAMPLE, files / "GRU.safetensors"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "every number of every case is within what is allowed\n"), done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("np.tanh(a_n + r * u_n)", "np.tanh(a_n + u_n)"), ("(a_r, a_z, a_n), (u_r", "(a_z, a_r, a_n), (u_r"),
        ("else (a + b_ih, u + b_hh)", "else (a, u)"), ("h = np.where(alive, new, h)", "h = new"),
        ("h_0[len(h_n)]", "0 * h_0[len(h_n)]"),
        ("reversed(range(len(x))) if suffix else range(len(x))", "range(len(x))"),
    ],
)  # fmt: skip
def test_a_wrong_port_does_not(right, wrong, files, port):
    text = EXAMPLE.read_text()
    assert text.count(right) == 1
    made = {}
    exec(text.replace(right, wrong).replace("__main__", "never"), made)
    assert list(port.check(*port.read(files / "GRU.safetensors"), made["gru"]))


@pytest.mark.parametrize("mode", MODES)
def test_torchs_own_layers_are_within_what_is_allowed(mode, files, port):
    told, tensors = port.read(files / f"{mode}.safetensors")
    for place, case in enumerate(told["cases"]):
        of = {
            name.split("/", 1)[1]: torch.from_numpy(value.copy()) for name, value in tensors.items() if name.startswith(f"{place}/")
        }
        if case["lengths"] is not None or not case["reset_after"]:
            continue
        kind = {"RNN_TANH": "RNN", "RNN_RELU": "RNN"}.get(mode, mode)
        options = {name: case[name] for name in ("num_layers", "bidirectional", "bias")}
        options |= {"proj_size": case["proj_size"]} if mode == "LSTM" else {}
        options |= {"nonlinearity": "relu"} if mode == "RNN_RELU" else {}
        layer = getattr(torch.nn, kind)(case["input_size"], case["hidden_size"], **options, dtype=of["input"].dtype)
        layer.load_state_dict(
            {name.removeprefix("parameter/"): value for name, value in of.items() if name.startswith("parameter/")}
        )
        hx = (of["h_0"], of["c_0"]) if mode == "LSTM" else of["h_0"]
        output, state = layer.eval()(of["input"], hx)
        for part, actual in zip(("output", "h_n", "c_n"), (output, *(state if mode == "LSTM" else (state,))), strict=False):
            assert bool(((actual.double() - of[f"expected/{part}"]).abs() <= of[f"allowed/{part}"]).all()), (place, part)


def test_the_same_arguments_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        portable("GRU", tmp_path / name, cases=2, seed=5)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_field_is_documented(files, port):
    page = (ROOT / "docs" / "bundles.md").read_text(encoding="utf-8")
    told, tensors = port.read(files / "LSTM.safetensors")
    assert {*told, *told["cases"][0]} <= set(re.findall(r"`(\w+)`", page))
    names = {re.sub(r"^\d+", "i", name).replace("allowed/output", "allowed/...") for name in tensors if "parameter" not in name}
    assert {name for name in names if "allowed/" not in name} | {"i/allowed/..."} <= set(re.findall(r"`(i/[\w/.]+)`", page))
    assert {value.dtype for value in tensors.values()} <= {np.dtype("float32"), np.dtype("float64")}


def test_wrong_usage_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="mode = 'LSTN', but should be one of"):
        portable("LSTN", tmp_path / "x")
    done = CliRunner().invoke(cli, ["cases", "GRU", "-o", str(tmp_path / "f"), "--max-examples", "2"], standalone_mode=False)
    assert done.return_value == 0 and "2 cases of GRU:" in done.output
