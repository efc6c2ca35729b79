"""A layer that eval() changes, and one that loses tangents as TorchScript does: judged for what they are."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed


class Folding(nn.LSTM):
    """eval() adds bias_hh to bias_ih."""

    def train(self, mode: bool = True) -> "Folding":
        if not mode and self.bias:
            with torch.no_grad():
                self.bias_ih_l0.add_(self.bias_hh_l0)
                self.bias_hh_l0.zero_()
        return super().train(mode)


@pytest.mark.parametrize(("how", "status"), [("probed", "not_claimed"), ("declared", "fails")])
def test_lost_tangents_are_no_mistake_of_ours_and_a_failure_where_they_are_declared(how, status):
    subject = claimed(nn.RNN)
    subject = replace(subject, claims={**subject.claims, "jvp": Claim(True, how)})
    lost = Trial(subject, Case(Config("RNN_TANH", 2, 3), time=2, batch=2, hx="random"))
    lost.build = lambda: Blind(subject.build(lost.config, torch.float32, torch.device("cpu")))  # type: ignore[method-assign]
    lost.fork = lambda: lost  # type: ignore[method-assign]
    assert judge(CATALOG["gradient.forward_mode"], lost).status == status


class Blind:
    """A layer that drops tangents, and keeps gradients."""

    def __init__(self, inner) -> None:
        self.inner, self.module, self.parameters = inner, inner.module, inner.parameters

    def __call__(self, x, hx):
        with torch.autograd.forward_ad._set_fwd_grad_enabled(False):
            return self.inner(x, hx)


def test_what_eval_does_to_parameters_does_not_hide_the_layer():
    subject = claimed(Folding)
    assert subject.offers("load")


def asking(input_size: int, hidden_size: int) -> nn.GRU:
    """A GRU whose reset_parameters wants an argument."""
    layer = nn.GRU(input_size, hidden_size)
    layer.reset_parameters = lambda bound: None
    return layer


def test_a_reset_that_wants_arguments_is_not_asked_for():
    subject = claimed(asking)
    assert judge(CATALOG["weights.reset"], Trial(subject, Case(Config("GRU", 2, 3), time=2, batch=2))).status == "not_applicable"
