"""The source of functions and classes of ours with all that they need, for a script that imports none of it."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import accumulate, groupby
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
    parts = dict.fromkeys(text for text in found.values() if not text.startswith(("import ", "from ")))
    blocks = ["\n".join(texts) if plain else "\n\n\n".join(texts) for plain, texts in groupby(parts, _is_constant)]
    return "\n\n\n".join(filter(None, ["\n".join(imports), *blocks]))


def _is_constant(text: str) -> bool:
    return not text.startswith(("def ", "class ", "@"))


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
    return {name: (node, text) for node in ast.parse(source).body for name, node, text in _bound(node, source)}


def _bound(node: ast.stmt, source: str) -> Iterator[tuple[str, ast.stmt, str]]:
    """Yield the names that a statement binds, and its text, of an import for each of them."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            beginning = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
            yield alias.asname or alias.name, node, f"{beginning} {ast.unparse(alias)}"
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        first = min(part.lineno for part in (node, *node.decorator_list))
        text = without_annotations("\n".join(source.splitlines()[first - 1 : node.end_lineno]))
        yield node.name, ast.parse(text).body[0], text
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        text = without_annotations(ast.get_source_segment(source, node) or "")
        names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        yield from ((name, ast.parse(text).body[0], text) for name in names)


def without_annotations(text: str) -> str:
    """Return this Python without the types that it says: a reader of a script sees the values.

    >>> without_annotations("def twice(x: int = 1) -> int:\\n    return 2 * x")
    'def twice(x=1):\\n    return 2 * x'
    """
    lines = text.encode().splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    plain = text.encode()
    for begin, part in sorted(_annotations(ast.parse(text), place), key=lambda one: -one[0]):
        before, after = plain[:begin], plain[place(part.end_lineno or 0, part.end_col_offset or 0) :]
        before = before.rstrip().removesuffix(b"->").rstrip()
        in_call = before.count(b"(") > before.count(b")")
        plain = before + (b"=" + after[3:] if in_call and after.startswith(b" = ") else after)
    return plain.decode()


def _annotations(tree: ast.AST, place: Callable[[int, int], int]) -> Iterator[tuple[int, ast.expr]]:
    """Yield where each annotation begins, and the annotation; those of a class's fields stay, which a dataclass needs."""
    fields = {id(part) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield place(node.lineno, node.col_offset + len(node.arg)), node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield place(node.returns.lineno, node.returns.col_offset), node.returns
        elif isinstance(node, ast.AnnAssign) and node.value is not None and id(node) not in fields:
            yield place(node.target.end_lineno or 0, node.target.end_col_offset or 0), node.annotation
