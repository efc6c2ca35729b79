"""A layer that eval() changes, and one that loses tangents as TorchScript does: judged for what they are."""

import torch
from torch import nn

from rnncheck.adapters.resolve import probe_all, subjects
from rnncheck.case import Case
from rnncheck.catalog import CATALOG
from rnncheck.config import Config
from rnncheck.judge import judge
from rnncheck.trial import Trial


class Folding(nn.LSTM):
    """eval() adds bias_hh to bias_ih."""

    def train(self, mode: bool = True) -> "Folding":
        if not mode and self.bias:
            with torch.no_grad():
                self.bias_ih_l0.add_(self.bias_hh_l0)
                self.bias_hh_l0.zero_()
        return super().train(mode)


def test_lost_tangents_are_no_mistake_of_ours_and_no_failure():
    (subject,) = probe_all(subjects(nn.RNN), "inline")
    lost = Trial(subject, Case(Config("RNN_TANH", 2, 3), time=2, batch=2, hx="random"))
    lost.build = lambda: Blind(subject.build(lost.config, torch.float32, torch.device("cpu")))  # type: ignore[method-assign]
    lost.fork = lambda: lost  # type: ignore[method-assign]
    assert judge(CATALOG["gradient.forward_mode"], lost).status == "not_claimed"


class Blind:
    """A layer that drops tangents, and keeps gradients."""

    def __init__(self, inner) -> None:
        self.inner, self.module, self.parameters = inner, inner.module, inner.parameters

    def __call__(self, x, hx):
        with torch.autograd.forward_ad._set_fwd_grad_enabled(False):
            return self.inner(x, hx)


def test_what_eval_does_to_parameters_does_not_hide_the_layer():
    (subject,) = probe_all(subjects(Folding), "inline")
    assert subject.offers("load")
