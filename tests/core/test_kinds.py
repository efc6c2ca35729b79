"""The rows of the kinds say what torch's layers are."""

import inspect

import pytest
import torch

from rnncheck.catalog.tools import documented_equations
from rnncheck.catalog.tools.gate_measurement import MEASURES
from rnncheck.core.config import Config
from rnncheck.core.kinds import GRU, GRU_RESET_BEFORE, KINDS, LSTM, MODES, OPTIONS, RNN_RELU, kind_of, with_article
from rnncheck.nn.layers import OURS, layer_of
from rnncheck.oracle.kinds import EQUATIONS
from rnncheck.repro import reference

TORCHS = [kind for kind in KINDS if kind.in_torch]


def test_every_mode_has_a_row():
    assert tuple(dict.fromkeys(kind.mode for kind in KINDS)) == MODES


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_the_oracle_has_the_same_gates_with_the_candidate_last(kind):
    assert sorted(kind.order) == sorted(kind.gates)
    assert kind.order[-1] == kind.candidate
    assert {*kind.passes_on, *kind.beside_state, *kind.often_exchanged, *kind.often_shifted} <= set(kind.gates)


@pytest.mark.parametrize("kind", TORCHS, ids=lambda kind: kind.mode)
def test_torchs_layer_has_these_parameters_states_and_arguments(kind):
    layer = kind.layer(2, 3, **kind.arguments)
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    assert layer.mode == kind.mode
    assert shapes == Config(kind.mode, 2, 3).parameter_shapes()
    _, state = layer(torch.zeros(4, 1, 2))
    assert len(state if isinstance(state, tuple) else (state,)) == len(kind.states)
    cell = kind.cell(2, 3, **kind.arguments)
    assert {name: tuple(p.shape) for name, p in cell.named_parameters()} == {
        name.removesuffix("_l0"): shape for name, shape in shapes.items()
    }


@pytest.mark.parametrize("kind", TORCHS, ids=lambda kind: kind.mode)
@pytest.mark.parametrize("steps", [1, 7])
def test_torchs_states_stay_within_the_bounds(kind, steps):
    torch.manual_seed(0)
    layer = kind.layer(2, 8, **kind.arguments).double()
    start = tuple(4 * torch.randn(1, 5, 8, dtype=torch.float64) for _ in kind.states)
    _, final = layer(100 * torch.randn(steps, 5, 2, dtype=torch.float64), start if len(start) > 1 else start[0])
    for state, first, last in zip(kind.states, start, final if isinstance(final, tuple) else (final,), strict=True):
        assert bool((last.abs() <= state.bound(first.abs(), steps) + 1e-9).all())
        assert state.positive == bool((last >= 0).all())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_a_config_has_the_options_of_its_kind_alone(kind):
    given = {"proj_size": 1, "reset_after": False}
    for option in OPTIONS:
        config = Config(kind.mode, 2, 3, **{option.name: given[option.name]}) if kind.has(option) else None
        assert config is None or getattr(config, option.name) == given[option.name]
        if config is None:
            with pytest.raises(ValueError, match=f"only an? (GRU|LSTM) has {option.what}"):
                Config(kind.mode, 2, 3, **{option.name: given[option.name]})


def test_the_kinds_of_one_mode_are_told_apart_by_their_settings():
    assert [kind_of("GRU"), kind_of("GRU", reset_after=False)] == [GRU, GRU_RESET_BEFORE]
    assert Config("GRU", 2, 3, reset_after=False).kind is GRU_RESET_BEFORE
    assert kind_of("LSTM", reset_after=False) is LSTM
    assert Config("RNN_RELU", 2, 3).kind is RNN_RELU


def test_every_setting_is_a_field_of_a_config():
    assert {name for kind in KINDS for name in kind.settings} <= set(inspect.signature(Config).parameters)


def test_letters_have_the_article_with_which_they_are_spoken():
    assert [with_article(mode) for mode in ("RNN", "GRU", "LSTM")] == ["an RNN", "a GRU", "an LSTM"]


TABLES = {
    "equations and error sizes of the oracle": EQUATIONS,
    "one step": documented_equations.STEPS,
    "closed forms": documented_equations.AFTER,
    "measurements of gates": MEASURES,
    "text of a step": reference.STEPS,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_kind_has_its_equations_in_every_table(table):
    assert set(TABLES[table]) == set(KINDS)


def test_every_kind_has_a_layer_of_ours():
    assert set(OURS) == {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_our_layer_has_the_gates_and_states_of_its_row(kind):
    layer = layer_of(Config(kind.mode, 2, 3, **kind.settings))
    (gates,) = layer.gates(torch.zeros(4, 1, 2))
    assert layer.mode == kind.mode
    assert set(gates) == {*kind.gates, *kind.letters}
    assert len(layer.state_shapes(1)) == len(kind.states)
