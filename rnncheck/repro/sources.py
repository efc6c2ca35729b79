"""The source of functions and classes of ours with all that they need, for a script that imports none of it."""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

OURS = "rnncheck"
"""What a module of ours has before the first dot: its definitions are shown, what others define is imported."""
DEFINED = ("Layer",)
"""What a script has a class of its own for."""


def sources_of(needed: Iterable[Any]) -> str:
    """Return the imports and definitions of these functions and classes, each once, what is used before what uses it.

    >>> from rnncheck.catalog.tools.fresh_memory import FreshMemory
    >>> sources_of([FreshMemory]).splitlines()[0]
    'from torch import Tensor'
    """
    found: dict[tuple[str, str], str] = {}
    for one in needed:
        plain = inspect.unwrap(one)
        module, name = plain.__module__, plain.__name__
        if module.split(".")[0] == OURS:
            _collect(module, name, found)
        else:
            found[module, name] = f"from {module} import {name}"
    imports = sorted({text for text in found.values() if text.startswith(("import ", "from "))} - {"import torch"})
    definitions = [text for text in found.values() if not text.startswith(("import ", "from "))]
    return "\n\n\n".join([*(["\n".join(imports)] if imports else []), *definitions])


def _collect(module: str, name: str, found: dict[tuple[str, str], str]) -> None:
    """Add the definition of this name, after those that it needs."""
    if (module, name) in found:
        return
    node, text = _top_level(module)[name]
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == OURS:
        _collect(node.module or "", name, found)
        return
    for used in () if isinstance(node, ast.Import | ast.ImportFrom) else _names(node):
        if used not in (name, *DEFINED) and used in _top_level(module):
            _collect(module, used, found)
    found[module, name] = text


def _names(node: ast.AST) -> list[str]:
    """Return the names that a definition takes from its module: those of its own arguments and variables are its own."""
    parts = list(ast.walk(node))
    own = {part.arg for part in parts if isinstance(part, ast.arg)}
    own |= {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return list(dict.fromkeys(part.id for part in parts if isinstance(part, ast.Name) and part.id not in own))


@cache
def _top_level(module: str) -> dict[str, tuple[ast.stmt, str]]:
    """Return what a module defines and imports, by name, and the text of each."""
    source = inspect.getsource(sys.modules[module])
    return {name: (node, text) for node in ast.parse(source).body for name, text in _bound(node, source)}


def _bound(node: ast.stmt, source: str) -> Iterator[tuple[str, str]]:
    """Yield the names that a statement binds, and its text, of an import for each of them."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            beginning = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
            yield alias.asname or alias.name, f"{beginning} {ast.unparse(alias)}"
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        first = min(part.lineno for part in (node, *node.decorator_list))
        yield node.name, "\n".join(source.splitlines()[first - 1 : node.end_lineno])
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from ((name.id, ast.get_source_segment(source, node) or "") for name in targets if isinstance(name, ast.Name))
