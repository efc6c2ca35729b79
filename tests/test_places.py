"""Where people meet it beside the terminal: a notebook, GitHub's action, pre-commit, issue forms, the release."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnncheck import verify
from rnncheck.demo import MISTAKES, written
from tests.effort import some

yaml = pytest.importorskip("yaml", reason="PyYAML comes with ray")
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_a_notebook_shows_the_causes_and_every_verdict(tmp_path):
    target = written(MISTAKES["stale-state"], tmp_path)[0]
    report = verify(target, properties="time.split,shape.output", max_examples=3, engine="inline")
    shown = report._repr_html_()
    assert "<strong>every step starts from the initial state</strong>" in shown and "<pre>layer = GRU(1, 1)" in shown
    assert ">time.split<" in shown and ">shape.output<" in shown and "<script" not in shown


def test_nothing_that_a_layer_says_acts_in_a_notebook():
    report = verify(torch.nn.GRU, properties="shape.output", max_examples=1, engine="inline")
    rude = replace(report.subjects[0], name="<script>alert(1)</script>", reading="</table><script>")
    report = replace(report, subjects=(rude,))
    assert "<script" not in report._repr_html_()


def run_gate(folder, wrong):
    """Run the action's own script for the gate, as GitHub would, on a project with one layer."""
    target = written(MISTAKES["stale-state"], folder)[not wrong].removeprefix(f"{folder}/")
    told = f'[tool.rnncheck]\ntargets = ["{target}"]\nproperties = ["time.split"]\nmax_examples = 2\nengine = "inline"\n'
    (folder / "pyproject.toml").write_text(told)
    (step,) = [step for step in read("action.yml")["runs"]["steps"] if step.get("id") == "gate"]
    (folder / "python").symlink_to(sys.executable)
    env = {**os.environ, "CONFIG": "pyproject.toml", "ARGUMENTS": "--json report.json", "GITHUB_OUTPUT": str(folder / "output"),
           "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # fmt: skip
    return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(("wrong", "code"), some([(True, 1), (False, 0)], 2))
def test_the_action_runs_the_gate_and_passes_its_exit_code_on(wrong, code, tmp_path):
    done = run_gate(tmp_path, wrong)
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert (tmp_path / "rnncheck.html").exists() and (tmp_path / "report.json").exists()


def test_every_input_of_the_action_is_used():
    action = (ROOT / "action.yml").read_text()
    assert [name for name in read("action.yml")["inputs"] if f"inputs.{name}" not in action] == []


def test_the_hook_runs_the_gate():
    (hook,) = read(".pre-commit-hooks.yaml")
    assert hook["entry"] == "rnncheck gate" and hook["pass_filenames"] is False and PROJECT["scripts"]["rnncheck"]
    (shown,) = shown_in_ci(lambda told: "repos" in told)["repos"][0]["hooks"]
    assert {name: hook[name] for name in shown if name != "id"} == {name: value for name, value in shown.items() if name != "id"}


def shown_in_ci(wanted):
    """Return the first YAML of docs/ci.md that is wanted."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), flags=re.S)
    return next(told for told in map(yaml.safe_load, blocks) if wanted(told))


def test_the_action_is_used_as_it_is_shown():
    steps = shown_in_ci(lambda told: "jobs" in told)["jobs"]["gate"]["steps"]
    (step,) = [step for step in steps if step["uses"].startswith("./")]
    assert set(step["with"]) <= set(read("action.yml")["inputs"])


def test_no_placeholder_stands_where_an_address_belongs():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "action.yml", *(ROOT / "docs").glob("*.md")]
    assert [page.name for page in pages if re.search(r"\bOWNER\b", page.read_text(encoding="utf-8"))] == []


def test_ci_runs_what_has_to_be_green_and_the_release_is_tried_before_it_is_published():
    steps = [step.get("run") for step in read(".github/workflows/ci.yml")["jobs"]["check"]["steps"]]
    assert ".ci/run" in steps and os.access(ROOT / ".ci" / "run", os.X_OK)
    release = read(".github/workflows/release.yml")["jobs"]
    tried = "\n".join(step.get("run", "") for step in release["build"]["steps"])
    assert release["publish"]["needs"] == "build"
    assert all(words in tried for words in ("twine check", "dist/*.whl", "rnncheck doctor", "rnncheck demo"))


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda form: form.stem)
def test_issue_forms_ask_for_the_doctor(form):
    asked = yaml.safe_load(form.read_text())
    assert (
        asked["name"]
        and asked["description"]
        and [part["id"] for part in asked["body"] if part["type"] == "textarea"][-1] == "doctor"
    )


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
