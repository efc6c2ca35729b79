"""A state in a class is put together where torch compiles it, too."""

import logging
from io import StringIO

import torch
from jaxtyping import Float
from torch import Tensor

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from tests.adapters.support import claimed
from tests.typed.cases import small


def test_a_state_in_a_dataclass_is_rebuilt_by_what_is_compiled():
    subject = claimed("tests/typed/right.py:in_a_dataclass")
    case = next(small(subject))
    module = subject.build(case.config, torch.float64, torch.device("cpu")).module
    x, hx = (torch.randn(size, dtype=torch.float64) for size in ((2, 3, case.config.input_size), (1, 3, case.config.hidden_size)))
    output, state = torch.compile(module, backend="eager")(x, hx)
    expected, (last,) = module(x, hx)
    torch.testing.assert_close((output, state[0]), (expected, last))


def test_what_cannot_be_exported_prints_nothing(capfd):
    """With offsets, the number of steps depends on data, and torch prints the graph that it has so far."""
    subject = claimed("tests/typed/right.py:by_offsets", dear=True)
    assert not subject.offers("export") and "data" in subject.claims["export"].why
    assert capfd.readouterr().err == ""


X = Float[Tensor, "batch time units"]


def refused_by_compilers(x: X) -> X:
    """Where a compiler looks, two sizes do not fit."""
    return torch.mm(x[0], x[0]) if torch.compiler.is_compiling() else x.cumsum(1)


def test_an_operator_that_cannot_be_traced_prints_nothing():
    logged = StringIO()
    log, handler = logging.getLogger("torch._subclasses.fake_tensor"), logging.StreamHandler(logged)
    log.addHandler(handler)
    try:
        subject = claimed(refused_by_compilers, dear=True)
        outcome = judge(CATALOG["agree.compiled"], trial_of(subject, next(small(subject))))
    finally:
        log.removeHandler(handler)
    assert not subject.offers("export") and outcome.red
    assert logged.getvalue() == ""
