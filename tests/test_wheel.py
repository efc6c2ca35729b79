"""The wheel holds all that the installed package reads: types, schema, templates, and the pytest plugin beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77", reason="the wheel is built with setuptools 77 or later")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that was built of a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    for file in files:
        if (ROOT / file).exists() and file.startswith(("rnncheck", "pyproject", "README", "LICENSE")):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes((ROOT / file).read_bytes())
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    built = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel):
    """The files in it."""
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_file_of_the_package_is_in_it(names):
    ours = subprocess.run(["git", "ls-files", "rnncheck", "rnncheck_pytest.py"], cwd=ROOT, capture_output=True, text=True).stdout
    assert {file for file in ours.split() if (ROOT / file).exists()} - names == set()


def test_types_schema_templates_and_plugin(names):
    assert {"rnncheck/py.typed", "rnncheck/report/schema.json", "rnncheck_pytest.py"} <= names
    assert any(name.startswith("rnncheck/report/templates/") and name.endswith(".css") for name in names)
    (entries,) = [name for name in names if name.endswith("entry_points.txt")]
    assert entries
    assert not [name for name in names if name.startswith(("tests/", "properties/", "bench/"))]
