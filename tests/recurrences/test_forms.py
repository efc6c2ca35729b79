"""Forms of one recurrence that a class declares agree with each other, or are told."""

from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.running import tolerance
from tests.adapters.support import claimed
from tests.catalog.support import killed, outcomes
from tests.recurrences.base import AttentionInChunks, GatedLinearAttention, MinGRU, MinGRUInLogarithms
from tests.recurrences.planted import ParallelFormWithoutState
from tests.typed.fewer_digits import BackInBfloat16


def at_once(layer, x, state=None):
    """The parallel form, as a function of the layer and what it is called with."""
    return MinGRUInLogarithms.run(layer, x, layer.begin(x, state))


class WithForms(MinGRUInLogarithms):
    """The loop, with its parallel form as a function and as a method."""

    rnncheck_forms = {"parallel": at_once, "in logarithms": "by_method"}

    def run(self, x, h):
        return MinGRU.run(self, x, h)

    def by_method(self, x, state=None):
        return at_once(self, x, state)


class FormWithoutState(WithForms):
    """The parallel form does not look at its state."""

    rnncheck_forms = {"parallel": at_once}

    def carried(self, kept, h):
        return ParallelFormWithoutState.carried(self, kept, h)


class FormWithoutGradient(WithForms):
    """The parallel form's gate learns nothing."""

    rnncheck_forms = {"parallel": at_once}

    def kept(self, z):
        return super().kept(z.detach())


class ByOption(GatedLinearAttention):
    """One class whose option says how it computes."""

    rnncheck_forms = "mode"

    def __init__(self, input_size, hidden_size, mode: Literal["loop", "chunk"] = "loop"):
        super().__init__(input_size, hidden_size)
        self.mode = mode

    def attend(self, q, k, v, g, state):
        return (GatedLinearAttention if self.mode == "loop" else AttentionInChunks).attend(self, q, k, v, g, state)

    steps, chunk, inside, masked = (getattr(AttentionInChunks, name) for name in ("steps", "chunk", "inside", "masked"))

    def carry(self, *given):
        return AttentionInChunks.carry(self, *given)


class WrongByOption(ByOption):
    """The chunked form keeps too much."""

    rnncheck_forms = {"in chunks": {"mode": "chunk"}}

    def carry(self, k, v, b, state):
        return super().carry(k, v, b, state) + 0.01 * state


class RightByOption(ByOption):
    """The same without that mistake."""

    rnncheck_forms = {"in chunks": {"mode": "chunk"}}


X, H = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def summed(layer, x, more, h0=None):
    """The leaky sums of all steps at once."""
    x, steps = x + 0.5 * more, torch.arange(x.shape[1])
    apart = (steps[:, None] - steps)[..., None]
    weights = torch.where(apart >= 0, torch.sigmoid(layer.rate) ** apart.clamp(min=0).to(x), 0)
    start = 0 if h0 is None else torch.sigmoid(layer.rate) ** (steps[:, None] + 1).to(x) * h0[:, None]
    y = torch.einsum("tsu,bsu->btu", weights, x) + start
    return y, y[:, -1] if len(steps) else x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0


def summed_from_zero(layer, x, more, h0=None):
    """The same, whatever the state is."""
    return summed(layer, x, more)


class LikeTorchs(nn.Module):
    """Leaky sums, step by step and at once, called as torch's layers are, and built otherwise."""

    rnncheck_forms = {"at once": lambda layer, x, h0=None: summed(layer, x, 0, h0)}

    def __init__(self, units: int) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.zeros(units))

    def forward(self, x: X, h0: H | None = None) -> tuple[X, H]:
        h, outputs = x.new_zeros(x.shape[0], x.shape[2]) if h0 is None else h0, []
        for step in x.unbind(1):
            h = torch.sigmoid(self.rate) * h + step
            outputs.append(h)
        return torch.stack(outputs, 1) if outputs else x, h


class Typed(LikeTorchs):
    """The same, read from their types."""

    rnncheck_forms = {"at once": summed}

    def forward(self, x: X, more: X, h0: H | None = None) -> tuple[X, H]:
        return super().forward(x + 0.5 * more, h0)


class WrongLikeTorchs(LikeTorchs):
    """Its parallel form does not look at its state."""

    rnncheck_forms = {"at once": lambda layer, x, h0=None: summed_from_zero(layer, x, 0)}


def in_few_digits(layer, x, h0=None):
    """The same, rounded to bfloat16 on the way."""
    return tuple(part.bfloat16().to(x.dtype) for part in summed(layer, x.bfloat16().to(x.dtype), 0, h0))


class CoarseLikeTorchs(LikeTorchs):
    """Its parallel form has fewer digits than its data."""

    rnncheck_forms = {"at once": in_few_digits}


class CoarseBackwards(LikeTorchs):
    """The gradients of its parallel form have fewer digits than its data."""

    rnncheck_forms = {"at once": lambda layer, x, h0=None: summed(layer, BackInBfloat16.apply(x), 0, h0)}


class WrongTyped(Typed):
    """The same."""

    rnncheck_forms = {"at once": summed_from_zero}


FORMS = CATALOG["agree.forms"]


def looked_at(target, count):
    return [outcome for _, outcome in outcomes(FORMS, claimed(target), count)]


@pytest.mark.parametrize("target", [WithForms, ByOption, LikeTorchs, Typed])
def test_right_forms_agree(target):
    assert [outcome.status for outcome in looked_at(target, 3)] == ["holds"] * 3


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (FormWithoutState, "output: "),
        (FormWithoutGradient, "gradient of to_z.weight: "),
        (WrongByOption, "from its form in chunks"),
        (WrongLikeTorchs, "from its form at once"),
        (CoarseLikeTorchs, "output: "),
        (CoarseBackwards, "gradient of input"),
        (WrongTyped, "from its form at once"),
    ],
)
def test_a_wrong_form_is_told(target, says):
    _, red = killed(FORMS, claimed(target), 10)
    assert any("in float64: " in line and says in line for line in red.mismatches), red.mismatches


def test_noise_is_measured_only_where_two_forms_differ_by_more_than_the_least(monkeypatch):
    measured = []
    for name in ("noise_budget", "noise_gradient_budget"):
        of = getattr(tolerance, name)
        monkeypatch.setattr(
            tolerance, name, lambda trial, *weights, of=of, **how: measured.append(trial) or of(trial, *weights, **how)
        )
    assert {outcome.status for outcome in looked_at(LikeTorchs, 3)} == {"holds"} and not measured
    assert killed(FORMS, claimed(WrongLikeTorchs), 10) and measured


def test_an_object_has_its_forms_too():
    assert {outcome.status for outcome in looked_at(WithForms(3, 4), 2)} == {"holds"}
    assert killed(FORMS, claimed(FormWithoutState(3, 4)), 8)


def test_without_forms_it_is_not_claimed():
    report = rnncheck.verify(MinGRU, properties="agree.forms", max_examples=1, engine="inline")
    (verdict,) = report.subjects[0].verdicts
    assert verdict.verdict == "not_claimed" and 'rnncheck_forms = {"parallel": function}' in verdict.reason


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("chunk", "speaks of the option 'chunk', but the constructor takes input_size, hidden_size, mode"),
        ("hidden_size", "the option's type is not a Literal of the forms"),
        (["loop"], "should be a dict, a form's name -> a function or options"),
        ({"loop": 3}, "should be a function like forward, the name of a method, or a dict"),
        ({"loop": {"way": "loop"}}, "speaks of the option 'way'"),
    ],
)
def test_a_declaration_that_cannot_be_one_is_one_line(said, says):
    with pytest.raises(rnncheck.UsageError, match=says) as told:
        subjects(type("Mine", (ByOption,), {"rnncheck_forms": said}))
    assert "\n" not in str(told.value)


def test_a_layer_of_torchs_equations_is_held_to_its_forms():
    class Twice(nn.GRU):
        rnncheck_forms = {"again": lambda layer, x, hx=None: nn.GRU.forward(layer, x, hx)}

    assert {outcome.status for outcome in looked_at(Twice, 4)} == {"holds"}
