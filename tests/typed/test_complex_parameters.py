"""Complex parameters are moved, differentiated and compared in both of their parts."""

from itertools import islice

import pytest
import torch

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge, trial_of
from rnncheck.running.measured_noise import _moved
from tests.adapters.support import claimed
from tests.typed.cases import small

GRADIENTS = ("gradient.numerical", "gradient.second", "gradient.split", "gradient.through_final_state",
             "gradient.into_initial_state", "gradient.accumulates")  # fmt: skip


def trials(name, count=8):
    subject = claimed(f"tests/typed/complex_parameters.py:{name}")
    return [trial_of(subject, case) for case in islice(small(subject), count)]


@pytest.mark.parametrize("name", ["Oscillators", "InFewerDigits"])
def test_right_gradients_are_right(name):
    seen = {prop: [judge(CATALOG[prop], trial) for trial in trials(name)] for prop in GRADIENTS}
    assert [(prop, one) for prop, outcomes in seen.items() for one in outcomes if one.red] == []
    assert sum(one.status == "holds" for outcomes in seen.values() for one in outcomes) > 20


@pytest.mark.parametrize(
    ("name", "prop"),
    [("WithAConjugatedGradient", "gradient.numerical"), ("GradientLostBetweenCalls", "gradient.split")],
)
def test_a_gradient_that_is_wrong_in_its_imaginary_part_is_seen(name, prop):
    assert any(judge(CATALOG[prop], trial).red for trial in trials(name))


def test_they_are_moved_off_their_first_values():
    into = trials("Oscillators", 1)[0].build().parameters()["layer.into"].detach()
    assert bool(((into.real - 1).abs() > 0.01).any() and (into.imag.abs() > 0.01).any())


def test_noise_is_measured_on_both_parts():
    (trial,) = trials("Oscillators", 1)
    own, moved = (layer.parameters()["layer.pole"] for layer in (trial.build(), _moved(trial, 0)[1]))
    assert not torch.equal(own.real, moved.real) and not torch.equal(own.imag, moved.imag)
    budget, own = trial.gradient_budget(), trial.gradients(trial.cotangents())
    assert torch.equal(budget.truth["layer.pole"], own["layer.pole"].to(torch.complex128))
    assert budget.allowed["layer.pole"].is_floating_point()
