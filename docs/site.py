"""Hooks for mkdocs: pages from the top of the repository, a navigation with every property, links.

``mkdocs build --strict`` in an environment with the extra ``docs``, or ``tox -e docs``, writes the site to ``site/``.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
FROM_TOP = {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages of the site that are files at the top of the repository."""
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the page of every property to the navigation, by family."""
    pages = sorted((ROOT / "docs" / "properties").glob("*.*.md"))
    families: dict[str, list[Any]] = {}
    for page in pages:
        families.setdefault(page.name.partition(".")[0], []).append({page.stem: f"properties/{page.name}"})
    assert config.nav is not None
    config.nav[-1]["Properties"] += [{family: listed} for family, listed in families.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the top of the repository."""
    for name, source in FROM_TOP.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=LINK.sub(_from_top, text)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show links that leave docs/ as the names of files: the site has no page for them. The first page has no menu at its side."""
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]
    here = Path(page.file.src_uri).parent
    return LINK.sub(lambda found: _kept(found, here), markdown)


def _from_top(found: re.Match[str]) -> str:
    """A link of a page at the top, as one of a page in docs/."""
    target = found[2]
    moved = {source: name for name, source in FROM_TOP.items()}
    return f"[{found[1]}]({moved.get(target, target.removeprefix('docs/'))})"


def _kept(found: re.Match[str], here: Path) -> str:
    text, target = found[1], found[2].partition("#")[0]
    place = (ROOT / "docs" / here / target).resolve()
    named = {ROOT / source: name for name, source in FROM_TOP.items()}
    if place in named:
        return f"[{text}]({'../' * len(here.parts)}{named[place]})"
    leaves = "://" not in target and place.exists() and not place.is_relative_to(ROOT / "docs")
    return (text if text.startswith("`") else f"`{text}`") if leaves else found[0]
