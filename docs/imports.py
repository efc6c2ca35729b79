"""Draw which part of rnncheck imports which, from the code, into docs/architecture.md: ``python docs/imports.py``.

``python docs/imports.py --check`` writes nothing; the exit code is 1 where the drawing is out of date.
"""

import ast
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, PAGE = ROOT / "rnncheck", ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- imports: python docs/imports.py -->\n", "<!-- end of imports -->"


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, also inside functions and for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def imports(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return for each folder of the package the folders that it imports."""
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    found: dict[str, set[str]] = {folder: set() for folder in sorted(folders)}
    for folder in found:
        for path in (package / folder).rglob("*.py"):
            names = {name.split(".")[1] for name in imported(path) if name.startswith(f"{package.name}.")}
            found[folder] |= names & folders - {folder}
    return found


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return all that can be reached from here, in one arrow or more; the graph has no circle (tests/test_house.py)."""
    return graph[start] | {far for near in graph[start] for far in reached(graph, near)}


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without the arrows that others already imply."""
    return {name: near - {far for one in near for far in reached(graph, one)} for name, near in graph.items()}


def drawing(graph: Mapping[str, set[str]]) -> str:
    """Return the graph as a Mermaid flowchart, an arrow from each folder to those that it imports."""
    arrows = [f"  {name} --> {other}" for name, others in reduced(graph).items() for other in sorted(others)]
    return "\n".join(["```mermaid", "flowchart TD", *arrows, "```", ""])


def renewed(page: str) -> str:
    """Return the page with the drawing as the code has it now."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE.name} has no {BEGIN.strip()} … {END}")
    return f"{before}{BEGIN}{drawing(imports())}{end}{after}"


def main(words: list[str]) -> int:
    """Write the drawing, or only compare it; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in words:
        return int(renewed(page) != page)
    PAGE.write_text(renewed(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
