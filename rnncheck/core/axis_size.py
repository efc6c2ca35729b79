"""The size of an axis, which is a name, a number, or arithmetic with both, such as ``2*hidden``; scripts show it as it is."""

import ast
import operator
from typing import Any

ARITHMETIC: dict[Any, Any] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}


def axis_size(axis: str, sizes: dict[str, int]) -> int:
    """Return the size of an axis.

    >>> axis_size("2*hidden+1", {"hidden": 3})
    7
    """
    return sizes[axis] if axis in sizes else computed(ast.parse(axis, mode="eval").body, sizes)


def computed(node: Any, sizes: dict[str, int]) -> int:
    """Return what this arithmetic gives; raises KeyError on a name without a size and on what is no such arithmetic."""
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return int(ARITHMETIC[type(node.op)](computed(node.left, sizes), computed(node.right, sizes)))
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else sizes[ast.unparse(node)]
