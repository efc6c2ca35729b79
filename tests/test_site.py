"""The site: every page is in its navigation, every public name and every command in its reference; built where mkdocs is."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import rnncheck

yaml = pytest.importorskip("yaml", reason="PyYAML comes with ray")
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506, a SafeLoader


def pages_in(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages_in(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation():
    here = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if not re.match(r"\w+\.\w+\.md$", page.name)}
    assert set(pages_in(CONFIG["nav"])) - {"index.md", "changelog.md", "contributing.md"} == here


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^::: ([\w.]+)$", (DOCS / "api.md").read_text(encoding="utf-8"), flags=re.M)
    assert sorted(name.rpartition(".")[2] for name in listed) == sorted(rnncheck.__all__)
    for path in listed:
        module, _, name = path.rpartition(".")
        assert getattr(__import__(module, fromlist=[name]), name) is getattr(rnncheck, name)


def test_the_site_is_built_strictly():
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert CONFIG["strict"] is True and "mkdocs build --strict" in tox


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs the extra docs: tox -e docs")
def test_it_builds_without_a_broken_link(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "raise_if_failed" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "--shard" in (tmp_path / "site" / "cli" / "index.html").read_text(encoding="utf-8")
    assert "pytorch/rl" in (tmp_path / "site" / "properties" / "time.split" / "index.html").read_text(encoding="utf-8")
