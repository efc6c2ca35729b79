"""What the source of a function without types shows of its arguments: which axis is time, the shapes of weights, the result."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

WEIGHT = re.compile(r"[WUR]|[Ww]eight|[Bb]ias|([WURBwurb]|[Ww]eight|[Bb]ias)(_.+|[ihxzrfogc]{1,2})")
"""What weights and biases are called that are arguments."""


def tree_of(function: Callable[..., Any]) -> ast.AST:
    """Return the syntax tree of the function; an empty one where its source is not known."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])


def goes_through(tree: ast.AST, name: str) -> bool:
    """Return whether a loop takes one after another along the argument's first axis, which is time then."""
    loops = [node.iter for node in ast.walk(tree) if isinstance(node, ast.For)]
    inner = [one.args[0] if isinstance(one, ast.Call) and ast.unparse(one.func) == "enumerate" else one for one in loops]
    steps = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name)]
    return any(ast.unparse(one) == name for one in (*inner, *(step.value for step in steps)))


def weights_among(names: list[str]) -> list[str]:
    """Return the arguments that are called as weights and biases are; b alone is a bias where others are weights."""
    found = [name for name in names if WEIGHT.fullmatch(name)]
    return [name for name in names if name in found or (name == "b" and found)]


def weight_axes(tree: ast.AST, name: str) -> str:
    """Return the axes of a weight or a bias: for the state where its name speaks of h, turned where it is multiplied as it is."""
    cuts = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("chunk")]
    numbers = [a.value for cut in cuts for a in cut.args if isinstance(a, ast.Constant) and type(a.value) is int and a.value > 1]
    rows = f"{numbers[0]}*units" if numbers else "units"
    if name.lower().startswith("b"):
        return rows
    last = name.lower().rpartition("_")[2]
    columns = "units" if last.startswith(("hh", "h")) or last in ("wh", "u", "r") or name.lower()[0] in "ur" else "features"
    products = [node.right for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)]
    return f"{columns} {rows}" if any(ast.unparse(one) == name for one in products) else f"{rows} {columns}"


def states_together(tree: ast.AST, states: int) -> bool:
    """Return whether the result is the output and one tuple of all states."""
    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)]
    second = [value.elts[1] for value in returns if isinstance(value, ast.Tuple) and len(value.elts) == 2]
    return states > 1 and any(isinstance(one, ast.Tuple) and len(one.elts) == states for one in second)
