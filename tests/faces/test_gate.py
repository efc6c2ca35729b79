"""The gate: its configuration, each exit code, deviations, the baseline, annotations, and the workflow in the docs."""

import datetime
import json
import re
import shlex
import tomllib
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from rnncheck.backend.devices import KINDS, is_here
from rnncheck.core.deviation import Deviation, DeviationError
from rnncheck.errors import UsageError
from rnncheck.faces import gate as gate_module
from rnncheck.faces.cli import main
from rnncheck.faces.config_file import GateConfig, read_config
from rnncheck.faces.gate import GateResult
from tests.report.built import failing, report, verdict

SCHEMA = json.loads(files("rnncheck.report").joinpath("schema.json").read_text())
DOCS = Path(__file__).parents[2] / "docs" / "ci.md"
ABSENT = next(kind for kind in KINDS if not is_here(kind))
MINE = '''
import torch

class Right(torch.nn.LSTM):
    """Right, as far as we know."""

class Forgetful(torch.nn.LSTM):
    """Ignores the state that it is given."""

    def forward(self, input, hx=None):
        return super().forward(input)
'''
TINY = 'profile = "smoke"\nmax_examples = 16\nengine = "inline"\n'
RIGHT = TINY + 'targets = ["mine.py:Right"]\nproperties = ["shape.output"]\n'
FORGETFUL = TINY + 'targets = ["mine.py:Forgetful"]\nproperties = ["time.split"]\n'
DEVIATION = '[[tool.rnncheck.deviations]]\nproperty = "time.split"\nreason = "known"\n'
YESTERDAY = datetime.date.today() - datetime.timedelta(days=1)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command line in a folder with mine.py and a pyproject.toml: returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "mine.py").write_text(MINE)

    def runs(config: str, *words: str) -> int:
        (tmp_path / "pyproject.toml").write_text("[tool.rnncheck]\n" + config)
        monkeypatch.setattr("sys.argv", ["rnncheck", *(words or ("gate",))])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code

    return runs


def test_passed(run, capsys):
    assert run(RIGHT) == 0
    assert "PASS   1 property on " in capsys.readouterr().out


def test_a_report_that_cannot_be_written_is_told_and_not_green(run, capsys):
    """A full disk costs the file, not what is known; a folder that is not there is known beforehand."""
    assert run(RIGHT, "gate", "--json", "/dev/full") == 3
    told = capsys.readouterr()
    assert "PASS" in told.out and "/dev/full cannot be written: No space left" in told.err
    assert run(FORGETFUL, "gate", "--json", "/dev/full") == 1
    assert run(RIGHT, "gate", "--json", "gone/report.json") == 2
    assert "there is no folder gone" in capsys.readouterr().err


def test_a_failure_is_annotated_and_summarised(run, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    assert run(FORGETFUL) == 1
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error ")]
    assert len(told) == 1
    assert told[0].startswith("::error title=time.split%3A mine.py%3AForgetful,file=mine.py::time.split does not hold")
    assert "%0A  Running a sequence" in told[0]
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("before\n# rnncheck") and "| ✗ | `time.split` | fails |" in summary


def test_a_required_device_that_is_missing_is_incomplete(run, capsys):
    assert run(RIGHT + f'require = ["{ABSENT}"]') == 3
    assert f"no such device: {ABSENT}" in capsys.readouterr().out


def test_coverage_that_is_short_is_incomplete(run, capsys):
    assert run(RIGHT + "coverage = 1.0") == 3
    assert re.search(r"Right: \d+ of \d+ combinations were judged, but coverage = 1.0", capsys.readouterr().out)


def test_a_declared_deviation_passes(run, capsys):
    assert run(FORGETFUL + DEVIATION + 'subject = "mine.py:Forgetful"') == 0
    assert "1 known deviation:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "config, says",
    [
        (RIGHT.replace("shape.output", "time.split") + DEVIATION, "the declared deviation did not occur on"),
        (FORGETFUL + DEVIATION + f"expires = {YESTERDAY}", f"the deviation expired on {YESTERDAY}"),
        (RIGHT + DEVIATION + 'subject = "mine.py:Gone"', "of mine.py:Gone matches none of mine.py:Right"),
        (RIGHT + DEVIATION, "time.split: the declared deviation matches nothing: the property is judged on no target (known)"),
        (RIGHT.replace("shape.output", "time.split") + DEVIATION + "where = {mode = {below = 3}}", "did not occur on"),
    ],
    ids=["does not occur", "expired", "no such target", "not checked", "covers no case"],
)
def test_a_stale_deviation_fails(run, capsys, config, says):
    assert run(config) == 1
    assert says in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["gate", "verify"])
@pytest.mark.parametrize("devices", [f'"{ABSENT}"', f'["{ABSENT}", "{ABSENT}:1"]'])
def test_a_deviation_on_another_device_is_left_aside(run, tmp_path, command, devices):
    config = RIGHT.replace("shape.output", "time.split") + DEVIATION + f"where = {{device = {devices}}}"
    options = ["--properties", "time.split", "--profile", "smoke", "--max-examples", "16", "--engine", "inline"]
    words = {"gate": ("gate",), "verify": ("verify", "mine.py:Right", "--deviations", "pyproject.toml", *options)}
    assert run(config, *words[command]) == 0


def test_a_deviation_that_cannot_be_is_refused_in_code_too():
    with pytest.raises(DeviationError, match=r"expires = '2027-01-01', but should be a datetime.date"):
        Deviation("time.split", "known", expires="2027-01-01")
    with pytest.raises(DeviationError, match="unknown key 'dtyp'"):
        Deviation("time.split", "known", {"dtyp": "float16"})


@pytest.mark.parametrize(
    "config, says",
    [
        ('device = ["cpu"]', "unknown key 'device'; did you mean 'devices'?"),
        ("targets = []", "the gate needs at least one"),
        ('targets = "mine.py:Right"', "targets = 'mine.py:Right', but should be a list of strings"),
        ("seed = true", "seed = True, but should be a whole number"),
        ("properties = []", "properties = [], but should be a list of one string or more"),
        ("dtypes = []", "dtypes = [], but should be a list of one string or more"),
        ("max_examples = 0", "max_examples = 0, but should be a whole number from 1 to 10000000"),
        ("strength = 9", "strength = 9, but should be a whole number from 2 to 4"),
        ("jobs = 0", "jobs = 0, but should be a whole number from 1 to 1024"),
        ("coverage = 2.0", "coverage = 2.0, but should be a share"),
        ('deviations = ["time.split"]', "an array of tables"),
        (DEVIATION + 'expires = "2027-01-31"', "a date such as 2027-01-31, without quotes"),
        (
            DEVIATION + "where = {dtyp = 1}",
            "deviation 1: the deviation from time.split: where: unknown key 'dtyp'; did you mean 'dtype'?",
        ),
        (DEVIATION + "where = {time = {beneath = 3}}", "where: time = {'beneath': 3}, but should be {below = 3}"),
        (DEVIATION + 'where = {time = {below = "3"}}', "where: time = {'below': '3'}, but should be {below = 3}"),
        (DEVIATION + 'because = "x"', "deviation 1: unknown key 'because'"),
        ('[[tool.rnncheck.deviations]]\nproperty = "time.split"', "deviation 1 has no reason"),
        ('[[tool.rnncheck.deviations]]\nproperty = "time.split"\nreason = " "', "has no reason: say why"),
        (DEVIATION + 'case = "gone.json"', "gone.json: no such file"),
        (RIGHT + 'repro = "mine.py"', "mine.py' cannot be written: "),
        (RIGHT + 'repro = "mine.py/scripts"', "mine.py is a file, but should be a folder"),
        ("= 3", "is not TOML"),
        (RIGHT + 'baseline = "gone.json"', "gone.json: no such file"),
        (RIGHT + 'baseline = "mine.py"', "mine.py: not a JSON report"),
        ('targets = ["mine.py:Missing"]', "Missing"),
        (RIGHT.replace("smoke", "smok"), "profile = 'smok', but should be one of"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_2(run, capsys, config, says):
    assert run(config) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("rnncheck: ") and error.count("\n") == 1


def test_no_configuration(run, capsys, tmp_path):
    assert run("", "gate", "--config", "gone.toml") == 2
    assert "gone.toml: no such file" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(UsageError, match=r"has no table \[tool.rnncheck\]"):
        read_config(tmp_path / "pyproject.toml")


@pytest.mark.parametrize(
    "now, words",
    [
        (verdict("holds"), None),
        (verdict("deviates"), None),
        (failing(), None),
        (verdict("not_claimed", reason="raises"), "held in the baseline and is not claimed now: raises"),
        (verdict("not_reached", reason="the budget"), "held in the baseline and is not reached now"),
        (verdict("holds", "shape.output"), "held in the baseline and was not checked now"),
    ],
)
def test_what_held_in_the_baseline(now, words):
    current = report(now)
    lost = gate_module._lost({("mine.py:MyLSTM", "time.split")}, current)
    assert [line.partition(" on mine.py:MyLSTM ")[2][: len(words or "")] for line in lost] == ([words] if words else [])
    assert GateResult(current, tuple(lost)).exit_code == (0 if now.verdict in ("holds", "deviates") and not words else 1)


def test_a_baseline_is_what_json_wrote(run, capsys, tmp_path):
    assert run(RIGHT, "gate", "--json", "base.json") == 0
    jsonschema.validate(json.loads((tmp_path / "base.json").read_text()), SCHEMA)
    assert run(RIGHT.replace("shape.output", "shape.state") + 'baseline = "base.json"') == 1
    assert "shape.output on mine.py:Right held in the baseline and was not checked now" in capsys.readouterr().out


def test_verify_reads_deviations_from_a_file(run, capsys, tmp_path):
    (tmp_path / "known.toml").write_text(DEVIATION.replace("tool.rnncheck.", ""))
    options = ["--properties", "time.split", "--profile", "smoke", "--max-examples", "16", "--engine", "inline"]
    assert run("", "verify", "mine.py:Forgetful", "--deviations", "known.toml", *options) == 0
    assert "1 known deviation:" in capsys.readouterr().out


def test_the_workflow_in_the_docs_runs(run, tmp_path):
    commands = re.findall(r"run: rnncheck (.*)", DOCS.read_text())
    assert commands
    for command in commands:
        assert run(RIGHT, *shlex.split(command)) == 0
    assert (tmp_path / "rnncheck.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "rnncheck.sarif").is_file()


def test_the_configuration_in_the_docs_is_one(tmp_path):
    tables = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), flags=re.S)
    told = tomllib.loads("".join(tables))["tool"]["rnncheck"]
    del told["deviations"][0]["case"]
    assert GateConfig(**{k: v for k, v in told.items() if k != "deviations"}).against == "torch.nn.LSTM"
    (tmp_path / "known.toml").write_text("".join(tables).replace('case = "', '# "'))
    assert read_config(tmp_path / "known.toml").deviations[0].where == {"dtype": ["float16", "bfloat16"]}
