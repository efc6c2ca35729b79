"""Deeds: what a check does to a layer, its script shows; adding one touches no file of rnncheck/repro."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rnncheck.adapters.torch_layers import torch_like
from rnncheck.catalog.agree import backward_under_autocast
from rnncheck.catalog.mode import random_states_around, settings_around
from rnncheck.catalog.tools.follow_ups import one_after_the_other
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import equal, identical
from rnncheck.core.property import Property, anywhere
from rnncheck.core.verdict import Outcome
from rnncheck.repro import script
from rnncheck.repro.events import named_parts
from rnncheck.repro.literal import literal
from rnncheck.repro.sources import sources_of, without_annotations


def test_the_source_of_a_deed_runs_by_itself():
    names = {"torch": torch, "Layer": object}
    exec(sources_of([random_states_around, settings_around]), names)
    seen = names["random_states_around"](lambda x, hx: torch.rand(1), torch.ones(1), None)
    assert not torch.equal(seen["after"]["torch's generator"], seen["before"]["torch's generator"])
    before = names["settings_around"](lambda x, hx: None, torch.ones(1), None, (), 0)["before"]
    assert before["grad mode"] is True


def test_what_a_deed_calls_its_arguments_is_not_looked_up_in_its_module():
    assert "def backward_under_autocast" in sources_of([backward_under_autocast])
    assert "def device" not in sources_of([backward_under_autocast])  # a property of that module


class Doubling(nn.GRU):
    """Doubles its parameters at each call."""

    @torch.no_grad()
    def forward(self, x, hx=None):
        result = super().forward(x, hx)
        for parameter in self.parameters():
            parameter.mul_(2)
        return result


def sums_around(layer, x, hx):
    """Return the sum of each parameter, before a call and after it, and how many differ."""
    before = {name: p.detach().sum() for name, p in layer.parameters().items()}
    layer(x, hx)
    after = {name: p.detach().sum() for name, p in layer.parameters().items()}
    return {"before": before, "after": after, "changed": sum(bool(after[name] != before[name]) for name in before)}


def sums_stay(trial):
    """A call leaves the sums of the parameters as they are."""
    seen = trial.do(sums_around, trial.layer, *trial.arguments)
    return identical("sum of weight_ih_l0", seen["after"]["weight_ih_l0"], seen["before"]["weight_ih_l0"])


def none_changes(trial):
    """A call changes no parameter."""
    return equal("changed parameters", trial.do(sums_around, trial.layer, *trial.arguments)["changed"], 0)


@pytest.mark.parametrize("check", [sums_stay, none_changes])
def test_a_property_with_a_deed_has_a_script_without_a_file_of_ours(check):
    subject = replace(torch_like(Doubling, ("GRU",), "Doubling"), source="build = SUBJECT")
    prop = Property("mode.sums", check.__doc__, "x", "x", "invariant", anywhere, check)
    text = script(subject, prop, Case(Config("GRU", 2, 3), 2, 2, seed=1), Outcome(prop.id, "fails"))
    with pytest.raises(AssertionError):
        exec(compile(text, "script.py", "exec"), {"SUBJECT": Doubling})
    exec(compile(text, "script.py", "exec"), {"SUBJECT": nn.GRU})


def test_what_a_deed_returns_is_found_by_its_expression():
    one = torch.ones(1)
    assert dict(named_parts("r", {"a": one, "b": [1, 2]})) == {"r['a']": one, "r['b']": [1, 2], "r['b'][0]": 1, "r['b'][1]": 2}


@pytest.mark.parametrize("expanded, numbers", [(torch.ones(()).expand(2, 1), 1), (torch.ones(2, 1).expand(2, 3), 2)])
def test_expanded_memory_stays_expanded_in_a_script(expanded, numbers):
    again = eval(literal(expanded), {"torch": torch, "tensor": torch.tensor})
    assert again.shape == expanded.shape and len(again.untyped_storage()) == 4 * numbers


class Forgetful(nn.GRU):
    """Loses its first bias once its parameters are counted."""

    counted = False


def count(layer):
    """Count the parameters."""
    layer.module.counted = True
    if isinstance(layer.module, Forgetful):
        layer.module.bias_ih_l0.detach().zero_()
    return len(layer.parameters())


def total(layer):
    """Return the sum of each parameter."""
    return {name: p.detach().sum() for name, p in layer.parameters().items()}


def counting_changes_nothing(trial):
    """Counting the parameters changes no call."""
    layer = trial.build()
    for name in trial.in_turn(["a sum", "a count", "another sum"]):
        trial.do(count if name == "a count" else total, layer)
    trial.look(sums_around, layer, *trial.arguments)
    return trial.same(trial.run_on(layer))


def carried_on(trial):
    """The state that a call returns is taken up by the next."""
    begun, ended = trial.but(x=trial.x[:1]).run, trial.but(x=trial.x[1:])
    return trial.same(one_after_the_other(begun, ended.but(state=begun.state).run))


def script_for(check, target, case):
    subject = replace(torch_like(target, ("GRU",), "Target"), source="build = SUBJECT")
    prop = Property("mode.sums", check.__doc__, "x", "x", "invariant", anywhere, check)
    return script(subject, prop, case, Outcome(prop.id, "fails"))


CASE = Case(Config("GRU", 2, 3), 3, 2, seed=1)


def test_what_a_failure_needs_of_what_is_done_in_turn_is_shown_alone():
    text = script_for(counting_changes_nothing, Forgetful, CASE)
    assert "count(Layer(layer_1))" in text
    assert "total(" not in text and "sums_around(" not in text


class Stale(nn.GRU):
    """Takes half of the state that it is given."""

    def forward(self, x, hx=None):
        return super().forward(x, None if hx is None else hx / 2)


def test_a_state_that_an_earlier_call_returned_is_shown_as_its_result():
    text = script_for(carried_on, Stale, CASE)
    assert "state_1[0].detach().clone()" in text
    with pytest.raises(AssertionError):
        exec(compile(text, "script.py", "exec"), {"SUBJECT": Stale})
    exec(compile(text, "script.py", "exec"), {"SUBJECT": nn.GRU})


def test_a_script_says_no_types():
    assert without_annotations("def f(x: int = 1, *, y: dict[str, int]) -> int:\n    z: int = x\n    return z") == (
        "def f(x=1, *, y):\n    z = x\n    return z"
    )
