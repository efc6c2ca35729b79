"""rnncheck record and rnncheck diff as a person runs them: what is said, and the exit code."""

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from rnncheck.faces import cli
from rnncheck.faces.bundles import _switches
from tests.effort import only_nightly

SCHEMA = json.loads(files("rnncheck.report").joinpath("schema.json").read_text())
WRONG = """
import torch

class Wrong(torch.nn.GRU):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return output, -state

class Other(torch.nn.GRU):
    def forward(self, input, hx=None):
        raise RuntimeError("not today")
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Exit code, stdout and stderr of a command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(WRONG)

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["rnncheck", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return command


RECORD = ("record", "torch.nn.GRU", "-o", "gru.safetensors", "--max-examples", "6")


def test_record_and_diff(run):
    code, out, _ = run(*RECORD)
    assert code == 0
    assert out.startswith("6 cases of torch.nn.GRU recorded on cpu (")
    code, out, _ = run("diff", "gru.safetensors", "rnncheck.nn.GRU")
    assert code == 0
    assert "PASS   3 properties hold on" in out
    code, out, _ = run("diff", "gru.safetensors", "gru.safetensors")
    assert (code, out.count("bundle.truth")) == (0, 2)


def test_a_failure_is_told_and_looked_at_again(run):
    run(*RECORD)
    code, out, _ = run("diff", "gru.safetensors", "mine.py:Wrong")
    assert code == 1
    assert "\nmine.py:Wrong on cpu against torch.nn.GRU recorded on cpu" in out
    assert re.search("FAIL   (bundle.results does not hold|.*sign)", out), out
    assert "first wrong: final h_n, layer 0, forward, batch 0" in out
    again = next(line.partition("rnncheck ")[2] for line in out.splitlines() if line.startswith("  again "))
    code, out, _ = run(*again.split())
    assert code == 1
    assert "so in 1 of 1 cases" in out


TYPED = """
def stub(x: Float[Tensor, "batch time units"]) -> Float[Tensor, "batch time units"]: ...
def right(x):
    return x.cumsum(1)
def wrong(x):
    return x.cumsum(1) * 1.01
"""


@only_nightly
def test_the_stub_is_part_of_the_command_that_looks_again(run):
    Path("sums.py").write_text(f"from jaxtyping import Float\nfrom torch import Tensor\n{TYPED}")
    run("record", "sums.py:right", "--typed", "sums.py:stub", "-o", "sums.safetensors", "--max-examples", "3")
    code, out, _ = run("diff", "sums.safetensors", "sums.py:wrong", "--typed", "sums.py:stub")
    again = next(line.partition("rnncheck ")[2] for line in out.splitlines() if line.startswith("  again "))
    assert code == run(*again.split())[0] == 1


def test_json_is_as_its_schema_says(run):
    run(*RECORD)
    code, out, err = run("diff", "gru.safetensors", "mine.py:Wrong", "--json", "-")
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    assert code == 1
    assert report["environment"]["recorded"]["device"] == "cpu"
    assert "FAIL" in err


def test_a_device_that_is_not_here_is_incomplete(run):
    assert run(*RECORD, "--device", "xpu:7")[0] == 3
    run(*RECORD)
    code, _, err = run("diff", "gru.safetensors", "torch.nn.GRU", "--device", "xpu:7")
    assert (code, err) == (3, "Incomplete: there is no device xpu:7 here; nothing was compared.\n")


def test_what_raises_is_recorded_and_said(run):
    code, out, _ = run("record", "mine.py:Other", "-o", "other.safetensors")
    assert code == 2  # nothing of it can be run at all
    assert out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("diff", "none.safetensors", "torch.nn.GRU"), "none.safetensors: no such file"),
        (("diff", "mine.py", "torch.nn.GRU"), "mine.py: not a bundle, or truncated"),
        (("diff", "gru.safetensors", "none.safetensors"), "none.safetensors: no such file"),
        (("diff", "gru.safetensors", "torch.nn.LSTM"), "nothing to compare with torch.nn.GRU recorded on cpu"),
        (("diff", "gru.safetensors", "torch.nn.LSTN"), "torch.nn.LSTN: torch.nn has no LSTN; did you mean LSTM?"),
        (("diff", "gru.safetensors", "nowhere:GRU"), "nowhere:GRU: cannot be imported"),
        (("diff", "gru.safetensors", "torch.nn.utils.clip_grad_norm_"), "is a clip function"),
        (("diff", "gru.safetensors", "torch.nn.GRU", "--device", "gpu"), "device = 'gpu', but should be"),
        (("diff", "gru.safetensors", "torch.nn.GRU", "--case", "6"), "case = 6, but should be one of 0 to 5"),
        (("diff", "gru.safetensors", "torch.nn.GRU", "--switches", "on"), "--switches = 'on', but should be among onednn_off"),
        (("record", "torch.nn.GRU", "-o", "x", "--device", "all"), "device = 'all', but should be one"),
        (("record", "torch.nn.GRU", "-o", "mine.py/x.safetensors"), "mine.py/x.safetensors cannot be written"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_wrong_usage_is_one_line(run, words, says):
    run(*RECORD)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_switches_are_read():
    assert _switches(None) is None
    assert _switches("") == ()
    assert _switches("cudnn_off, tf32") == ("cudnn_off", "tf32")


def test_shards_are_recorded_joined_and_compared(run):
    for i in (1, 2):
        assert run(*RECORD[:3], f"{i}.safetensors", "--max-examples", "5", "--shard", f"{i}/2")[0] == 0
    code, out, _ = run("merge", "1.safetensors", "2.safetensors", "-o", "gru.safetensors")
    assert code == 0 and out.startswith("5 cases of torch.nn.GRU recorded on cpu (")
    code, out, _ = run("diff", "gru.safetensors", "mine.py:Wrong", "--shard", "2/2")
    assert code == 1 and "so in 2 of 2 cases" in out
    code, _, err = run("merge", "1.safetensors", "2.safetensors")
    assert code == 2 and "bundles are joined into a file: rnncheck merge BUNDLE... -o BUNDLE" in err
