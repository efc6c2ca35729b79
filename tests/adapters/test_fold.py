"""The adapters of a script have nothing that their reading does not use, and do what they do whole."""

import ast

import pytest
import torch

from rnncheck.adapters.fold import folded, used
from rnncheck.core.config import Config
from tests.adapters.support import claimed
from tests.effort import some
from tests.strangers.masks import BoolMaskLSTM
from tests.strangers.one_matrix import CatLSTM, StateFirstGRU


def text(source: str, known: dict, names: dict | None = None) -> str:
    return ast.unparse(folded(ast.parse(source), known, "how", names or {}))


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("y = a if how['k'] else b", "y = a"),
        ("y = self.how['k'] and f(x)", "y = f(x)"),
        ("y = f(x) and how['k']", "y = f(x) and 1"),
        ("y = how['z'] or f(x)", "y = f(x)"),
        ("y = g(x) or how['k'] or f(x)", "y = g(x) or 1"),
        ("if not how['k']:\n    f()\nelse:\n    g()", "g()"),
        ("if x:\n    y |= {}", "if x:\n    pass"),
        ("for one in how['n']:\n    f(one)", ""),
        ("with f(x) if how['z'] else nullcontext():\n    g()", "g()"),
        ("y = how['k'] is None, how['k'] == 1, int(how['k'] == 1)", "y = (False, True, 1)"),
        ("y = how['other']", "y = how['other']"),
        ("y = 'a' in NAMES", "y = True"),
        ("def f(x: int) -> int:\n    a = how['k']\n    if a:\n        return x\n    g()", "def f(x):\n    return x"),
    ],
)
def test_what_is_known_is_filled_in(source, left):
    assert text(source, {"k": 1, "z": 0, "n": []}, {"NAMES": ("a",)}).strip() == left


def test_what_nothing_needs_is_left_out():
    methods = "    def f(self):\n        return a.x + A\n    def g(self):\n        return B"
    source = f"import a, b\nA = 1\n'of A'\nB = 2\nclass C:\n{methods}"
    left = "import a, b A = 1 'of A' class C: def f(self): return a.x + A"
    assert ast.unparse(used(ast.parse(source), ["C"], ["f"])).split() == left.split()


@pytest.mark.parametrize(("layer", "lines"), some([(CatLSTM, 235), (BoolMaskLSTM, 130), (StateFirstGRU, 235)], 2))
def test_a_script_builds_the_same_layer_in_few_lines(layer, lines):
    subject = claimed(layer)
    assert len(subject.source.splitlines()) < lines
    around: dict = {}
    exec(subject.source, around)
    config = Config(subject.modes[0], 4, 7, batch_first=not subject.offers("time_first"))
    x, outputs = torch.randn(3, 5, 4), []
    for build in (lambda: subject.build(config, torch.float32, torch.device("cpu")).module, lambda: around["build"](4, 7)):
        torch.manual_seed(0)
        outputs.append(build().eval()(x)[0])
    assert torch.equal(*outputs)
