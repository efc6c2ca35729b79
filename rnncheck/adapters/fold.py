"""Python with what is known filled in: branches that are never taken, and definitions that nothing names, are left out."""

import ast
from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = object()
"""The value of an expression that is no literal."""
EMPTY: tuple[Any, ...] = ([], {}, ())
"""Literals that have no parts."""


Needed = tuple[set[str], set[str]]
"""Names, and attributes, which methods are."""


def folded(tree: ast.Module, known: Mapping[str, Any], table: str, names: Mapping[str, Any]) -> ast.Module:
    """Return the module with ``table["k"]``, ``self.table["k"]`` and these names as they are known, and without annotations.

    >>> source = "def f(x, how):\\n    return x.T if how['turned'] else x"
    >>> print(ast.unparse(folded(ast.parse(source), {"turned": False}, "how", {})))
    def f(x, how):
        return x
    """
    return ast.fix_missing_locations(_Fold(known, table, names).visit(tree))


def used(tree: ast.Module, names: Iterable[str], attributes: Iterable[str] = ()) -> ast.Module:
    """Return the module, its imports first, without the definitions and methods that these do not need.

    >>> print(ast.unparse(used(ast.parse("A = 1\\nB = 2\\ndef f():\\n    return A"), ["f"])))
    A = 1
    <BLANKLINE>
    def f():
        return A
    """
    before: Needed = (set(), set())
    needed: Needed = ({*names}, {*attributes})
    while needed != before:
        before, found = needed, [part for node in _kept(tree, needed) for part in _parts(node, needed)]
        needed = ({*names, *(part.id for part in found if isinstance(part, ast.Name))},
                  {*attributes, *(part.attr for part in found if isinstance(part, ast.Attribute))})  # fmt: skip
    kept = list(_kept(tree, needed))
    for node in kept:
        if isinstance(node, ast.ClassDef):
            node.body = [one for one in node.body if _stays(one, needed)]
    imports = {ast.unparse(node): node for node in kept if isinstance(node, ast.Import | ast.ImportFrom)}
    return ast.Module([*imports.values(), *(node for node in kept if not isinstance(node, ast.Import | ast.ImportFrom))], [])


def _kept(tree: ast.Module, needed: Needed) -> Iterable[ast.stmt]:
    """The statements that bind a needed name, and the texts that describe them."""
    follows = False
    for node in tree.body:
        told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        follows = follows if told else bool(_bound(node) & needed[0])
        if follows:
            yield node


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(one.asname or one.name).partition(".")[0] for one in node.names}
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _stays(part: ast.stmt, needed: Needed) -> bool:
    """Whether a part of a class is needed: all but methods that nothing calls."""
    return not isinstance(part, ast.FunctionDef) or part.name.startswith("__") or part.name in needed[1]


def _parts(node: ast.stmt, needed: Needed) -> Iterable[ast.AST]:
    """What a statement reads, of a class the parts that stay."""
    if not isinstance(node, ast.ClassDef):
        return ast.walk(node)
    inside = [*node.bases, *node.decorator_list, *(one for one in node.body if _stays(one, needed))]
    return (part for one in inside for part in ast.walk(one))


def _value(node: ast.expr) -> Any:
    """The value of a literal; UNKNOWN where it is none."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


class _Fold(ast.NodeTransformer):
    def __init__(self, known: Mapping[str, Any], table: str, names: Mapping[str, Any]) -> None:
        self.known, self.table, self.names = known, table, names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        plain = isinstance(node.ctx, ast.Load) and node.id in self.names
        return ast.parse(repr(self.names[node.id]), mode="eval").body if plain else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        own = isinstance(node.value, ast.Name) and node.value.id == "self" and f"self.{node.attr}" in self.names
        return (
            ast.parse(repr(self.names[f"self.{node.attr}"]), mode="eval").body if own and isinstance(node.ctx, ast.Load) else node
        )

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        named = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
        key = _value(node.slice)
        if named == self.table and isinstance(key, str) and key in self.known and isinstance(node.ctx, ast.Load):
            return ast.parse(repr(self.known[key]), mode="eval").body
        value = _value(node.value)
        parts = isinstance(value, list | tuple) and type(key) is int and key in range(-len(value), len(value))
        return ast.parse(repr(value[key]), mode="eval").body if parts else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        value = _value(node.test)
        return node if value is UNKNOWN else node.body if value else node.orelse

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        value = _value(node.test)
        node.body = node.body if value is not UNKNOWN else node.body or [ast.Pass()]
        return node if value is UNKNOWN else node.body if value else node.orelse

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        ends, values = isinstance(node.op, ast.Or), list[ast.expr]()
        for place, part in enumerate(node.values):
            value = _value(part)
            last = place == len(node.values) - 1
            if value is UNKNOWN or last or bool(value) == ends:
                values.append(part)
            if value is not UNKNOWN and bool(value) == ends:
                break
        return values[0] if len(values) == 1 else ast.BoolOp(node.op, values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        value = _value(node.operand)
        return ast.Constant(not value) if isinstance(node.op, ast.Not) and value is not UNKNOWN else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        left, right = _value(node.left), _value(node.comparators[0])
        if UNKNOWN in (left, right) or len(node.ops) > 1:
            return node
        compare = {ast.Eq: left == right, ast.NotEq: left != right, ast.Is: left is right, ast.IsNot: left is not right}
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            return ast.Constant((left in right) == isinstance(node.ops[0], ast.In))
        return ast.Constant(compare[type(node.ops[0])]) if type(node.ops[0]) in compare else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        value: Any = _value(node.args[0]) if len(node.args) == 1 else UNKNOWN
        whole = isinstance(node.func, ast.Name) and node.func.id == "int" and value is not UNKNOWN
        return ast.Constant(int(value)) if whole else node

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        self.generic_visit(node)
        return ast.Dict([], []) if _value(node.generators[0].iter) in EMPTY else node

    def visit_For(self, node: ast.For) -> Any:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return None if _value(node.iter) in EMPTY else node

    def visit_With(self, node: ast.With) -> Any:
        self.generic_visit(node)
        return node.body if ast.unparse(node.items[0].context_expr) == "nullcontext()" else node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        return None if _value(node.value) in EMPTY else node

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        target = ast.unparse(node.targets[0])
        return None if target == ast.unparse(node.value) or target in self.names else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        return None if node.value is None else ast.Assign([node.target], node.value)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns, ends = None, [k for k, one in enumerate(node.body) if isinstance(one, ast.Return | ast.Raise)]
        node.body = node.body[: ends[0] + 1] if ends else node.body or [ast.Pass()]
        constants = _constants(node)
        if constants:
            _Fold({}, "", constants).visit(node)
        return node


def _constants(function: ast.FunctionDef) -> dict[str, Any]:
    """The names that a function binds once, at its top, to a literal."""
    stored = [part.id for part in ast.walk(function) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)]
    stored += [part.arg for part in ast.walk(function) if isinstance(part, ast.arg)]
    plain = [(one.targets[0].id, _value(one.value)) for one in function.body
             if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)]  # fmt: skip
    return {name: value for name, value in plain if stored.count(name) == 1 and value is not UNKNOWN and value not in EMPTY}
