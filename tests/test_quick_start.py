"""The quick start, as it is written there: the wheel in an empty environment, the files, the commands; green, then red."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.effort import only_nightly, some
from tests.test_wheel import wheel  # noqa: F401, a fixture

pytest.importorskip("pip", reason="the wheel is installed with pip")
SECTION = (Path(__file__).parents[1] / "docs" / "quickstart.md").read_text(encoding="utf-8")
FILES = re.findall(r"`([\w.]+)`[^`]*\n\n```\w+\n(.*?)```", SECTION, flags=re.S)
INSTALL, VERIFY, COMMANDS = re.findall(r"```sh\n(.*?)```", SECTION, flags=re.S)


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):  # noqa: F811
    """The Python of an environment with the wheel in it; what rnncheck needs is taken from where these tests run."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    scheme = {"base": str(folder), "platbase": str(folder)}
    bin, site = (Path(sysconfig.get_path(name, "venv", scheme)) for name in ("scripts", "purelib"))
    (site / "needed.pth").write_text("\n".join(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")))
    python = bin / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]  # whatever else is seen through the .pth
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    return python


@pytest.fixture
def project(python, tmp_path):
    """A folder with the page's files; returns what runs a command there."""
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    unwanted = {"PYTHONPATH", "GITHUB_ACTIONS", "PYTEST_ADDOPTS"}
    env = {name: value for name, value in os.environ.items() if name not in unwanted and not name.startswith(("PYTEST_", "COV_"))}

    def run(command: str) -> subprocess.CompletedProcess[str]:
        word, *words = shlex.split(command, comments=True)
        program = [str(python), "-m", "pytest", "-p", "no:cacheprovider"] if word == "pytest" else [str(python.parent / word)]
        return subprocess.run([*program, *words], cwd=tmp_path, env=env, capture_output=True, text=True)

    return run


def test_the_page_has_what_is_run_here():
    assert INSTALL.startswith("pip install ") and "rnncheck[pytest]" in INSTALL
    assert [name for name, _ in FILES] == ["mine.py", "test_mine.py", "pyproject.toml"]
    assert [line.split()[0] for line in COMMANDS.splitlines()] == ["pytest", "rnncheck"]
    assert VERIFY == "rnncheck verify mine.py:MyGRU\n" and "`if hx is None else hx[0]`" in SECTION


def test_it_is_the_wheel_that_is_imported(project, python):
    where = project("python -c 'import rnncheck, rnncheck_pytest; print(rnncheck.__file__, rnncheck_pytest.__file__)'")
    assert all(Path(file).is_relative_to(python.parents[1]) for file in where.stdout.split()), where


def test_the_mistake_is_found_in_a_first_look(project, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(mine.read_text().replace(" if hx is None else hx[0]", ""))
    done = project(f"{VERIFY.strip()} --properties state.*,time.split,agree.forward --max-examples 6")
    (shown,) = re.findall(r"```text\n(.*?)```", SECTION, flags=re.S)
    assert done.returncode == 1 and shown in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("command", some(COMMANDS.splitlines(), 2))
def test_green(project, command):
    done = project(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed|PASS   \d+ properties", done.stdout) and "Error" not in done.stderr


RED = {"pytest": "time.split does not hold for mine.MyGRU", "rnncheck": "FAIL   the initial state is ignored"}
"""What each command says once the layer ignores hx."""


@only_nightly
@pytest.mark.parametrize("command", some(COMMANDS.splitlines(), 2))
def test_red(project, tmp_path, command):
    """With time enough, so that a busy machine comes as far as an idle one; the gate looks at what the mistake is about."""
    right, settings = (tmp_path / "mine.py").read_text(), (tmp_path / "pyproject.toml").read_text()
    wrong = right.replace(" if hx is None else hx[0]", "")
    assert wrong != right
    (tmp_path / "mine.py").write_text(wrong)
    enough = 'properties = ["shape.*", "state.*", "time.*", "agree.forward"]\nmax_examples = 6\nbudget = "200s"\n'
    (tmp_path / "pyproject.toml").write_text(settings + enough)
    tool = command.split()[0]
    done = project(command + " --rnncheck-budget 200s" * (tool == "pytest"))
    assert done.returncode == 1 and RED[tool] in done.stdout, done.stdout + done.stderr
