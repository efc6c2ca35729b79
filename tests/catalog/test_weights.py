"""weights.*: what each property catches, and what it lets through."""

import torch

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.hidden_permutation import relabelled, restored
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed
from tests.catalog.support import TORCH, complaints, killed, outcomes
from tests.strangers.sliced import FirstRowForAll, Independent, Sliced, SlicedTwice

KILLS = {
    "weights.relabel": "own-units-differ-by-index",
    "weights.bias_sum": "bias-added-twice",
    "weights.alive": "bhn-missing",
    "weights.trainable": "raw-weight-no-grad",
    "weights.write_through": "own-weights-cached",
    "weights.parametrize": "own-computed-weights-detached",
    "weights.flags": "bf-flag-ignored",
    "weights.init": "init-arg-on-wrong-layer",
    "weights.reset": "own-reset-misses-reverse",
    "weights.as_new": "own-weights-cached",
    "weights.registered": "own-weights-not-registered",
}
KILLS_OF_BLOCKS = {"weights.blocks": "SlicedTwice"}
MORE = [
    ("weights.relabel", "own-directions-summed"),
    ("weights.alive", "own-last-unit-masked"),
    ("weights.alive", "bwd-uses-fwd-cell"),
    ("weights.write_through", "own-weights-cached-by-version"),
    ("weights.write_through", "own-load-skips-reverse"),
    ("weights.flags", "option-read-from-kwargs"),
    ("weights.init", "own-init-by-input-size"),
    ("weights.init", "own-init-misses-reverse"),
]


def test_relabelling_moves_the_features_and_restoring_moves_them_back():
    config = Config("LSTM", 3, 5, num_layers=2, bidirectional=True, proj_size=2)
    trial = Trial(TORCH["LSTM"], Case(config, time=3, batch=2, dtype="float64", hx="random"))
    moved = relabelled(trial).run
    assert not torch.allclose(moved.output, trial.run.output)
    for part in ("output", "h_n", "c_n"):
        torch.testing.assert_close(getattr(restored(trial, moved), part), getattr(trial.run, part))


def test_a_slice_that_is_never_taken_is_found():
    prop = CATALOG["weights.blocks"]
    _, outcome = killed(prop, claimed(SlicedTwice), 6)
    assert "'W[:, " in outcome.mismatches[0]
    assert "holds" in {outcome.status for _, outcome in outcomes(prop, claimed(Sliced), 6)}
    assert complaints(prop, claimed(Sliced), 6) == []


def test_a_row_that_no_layer_takes_is_found():
    prop = CATALOG["weights.blocks"]
    _, outcome = killed(prop, claimed(FirstRowForAll), 20)
    assert "u[1:2]'" in outcome.mismatches[0]
    assert complaints(prop, claimed(Independent), 8) == []


class WithSpare(torch.nn.GRU):
    """A GRU with a parameter that nothing uses."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.spare = torch.nn.Parameter(torch.ones(3))


def test_an_unused_parameter_is_told_also_where_none_can_be_set():
    subject = torch_like(WithSpare, ("GRU",), "with a spare parameter", without=("load",))
    case = Case(Config("GRU", 3, 4), time=4, batch=3)
    outcome = judge(CATALOG["weights.trainable"], Trial(subject, case))
    assert outcome.mismatches == ("parameters without a gradient = ['spare'], but should be none",)
    assert judge(CATALOG["gradient.accumulates"], Trial(subject, case)).status == "holds"


def test_a_rectifier_that_may_be_dead_is_not_blamed():
    subject = torch_like(torch.nn.RNN, ("RNN_RELU",), "torch.nn.RNN", without=("load",))
    case = Case(Config("RNN_RELU", 1, 1), time=1, batch=1)
    assert judge(CATALOG["weights.trainable"], Trial(subject, case)).status == "not_applicable"
    assert judge(CATALOG["weights.flags"], Trial(subject, case)).status == "holds"  # its parameters are written over


class Renamed(torch.nn.Module):
    """A GRU that registers its parameters anew whenever an attribute is set, as opacus does, and takes no assign=True."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = torch.nn.GRU(input_size, hidden_size)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        for own, parameter in self._modules["inner"].named_parameters() if self._modules else ():
            self.register_parameter(own, parameter)

    def state_dict(self, *args, **kwargs):
        return {name: p for name, p in super().state_dict(*args, **kwargs).items() if "inner" not in name}

    def load_state_dict(self, state_dict, strict=True):
        return super().load_state_dict(state_dict, strict=False)

    def forward(self, x, hx=None):
        return self.inner(x, hx)


def test_what_torch_cannot_parametrize_or_assign_to_is_not_asked_for():
    subject = claimed(Renamed)
    assert not subject.claims["parametrize"].offered  # torch 2.6 refuses without a word, a newer one with a sentence
    trial = Trial(subject, Case(Config("GRU", 3, 4), time=4, batch=3, training=True))
    statuses = {name: judge(CATALOG[f"weights.{name}"], trial).status for name in ("parametrize", "write_through")}
    assert statuses == {"parametrize": "not_claimed", "write_through": "holds"}
    torchs = claimed(torch.nn.GRU)
    assert torchs.claims["parametrize"].offered


class OfOneNorm(torch.nn.Module):
    """A batch norm in front of a GRU, of which ``bias=False`` freezes the shift at 0; dropout between layers acts in training."""

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, dropout=0.0):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(input_size)
        self.gru = torch.nn.GRU(input_size, hidden_size, num_layers, dropout=dropout)
        if not bias:
            self.freeze()

    def freeze(self):
        torch.nn.init.zeros_(self.norm.bias).requires_grad_(False)

    def forward(self, x, h=None):
        return self.gru(self.norm(x.flatten(0, 1)).view_as(x), h)


class OfOneNormWrong(OfOneNorm):
    """It ignores ``bias=False``: its shift is trained all the same."""

    def freeze(self):
        torch.nn.init.zeros_(self.norm.bias)


def test_an_option_may_freeze_a_parameter_at_0_and_dropout_acts_in_training_alone():
    subject, prop = claimed(OfOneNorm), CATALOG["weights.flags"]
    assert "batch norm in training: judged in eval()" in subject.read_as
    assert complaints(prop, subject, 4) == []
    _, outcome = killed(prop, claimed(OfOneNormWrong), 4)
    assert outcome.mismatches == ("effect of bias = none, but should be some",)
