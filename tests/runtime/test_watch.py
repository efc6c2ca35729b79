"""watch(): quiet on a healthy model, and it says what it sees on one that is not."""

import copy
import pickle

import pytest
import torch
from torch import nn

import rnncheck
import rnncheck.nn as typed
from rnncheck.runtime.contracts import ContractViolation, ContractWarning
from rnncheck.runtime.sampled_gates import _twin, some_gates


class Tagger(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.rnn = layer
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def before(*sizes, **options):
    return typed.GRU(*sizes, reset_after=False, **options)


def projected(*sizes, **options):
    return nn.LSTM(*sizes, proj_size=2, **options)


LAYERS = [nn.LSTM(3, 4), nn.GRU(3, 4), nn.RNN(3, 4), typed.LSTM(3, 4), typed.GRU(3, 4), typed.RNN(3, 4)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{type(layer).__module__}.{type(layer).__name__}")
def test_a_healthy_model_is_left_in_peace(layer, recwarn):
    model = Tagger(layer)
    with rnncheck.watch(model, sample=1.0, max_norm=1.0) as seen:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(3):
            model(torch.randn(5, 2, 3)).sum().backward()
            rnncheck.clip.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    assert seen.calls == 3
    assert not seen.findings
    assert not [w for w in recwarn if issubclass(w.category, ContractWarning)]


@pytest.mark.parametrize("layer", [nn.LSTM(3, 4), typed.GRU(3, 4)])
def test_non_finite_values_are_told_once(layer):
    model = Tagger(layer)
    expected = pytest.warns(ContractWarning, match="rnn: output has .* non-finite values")
    with expected as told, rnncheck.watch(model, sample=1.0) as seen:
        for _ in range(3):
            model(torch.full((5, 2, 3), torch.nan))
    assert seen.findings["rnn", "non-finite"] == 3 * (3 if isinstance(layer, nn.LSTM) else 2)  # output and states
    assert len(told) == 1


def test_saturated_gates_are_told():
    layer = nn.LSTM(3, 4)
    with torch.no_grad():
        layer.bias_ih_l0[4:8] = 50.0
    with rnncheck.watch(Tagger(layer), sample=1.0, policy="count") as seen:
        seen.model(torch.randn(5, 2, 3))
    assert set(seen.findings) == {("rnn", "gate f at 1")}


@pytest.mark.parametrize("form", ["padded", "batch first", "unbatched", "packed"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False, "bidirectional": True}])
@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, typed.LSTM, typed.GRU, before, projected], ids=lambda make: make.__name__)
def test_the_gates_that_are_looked_at_are_those_of_a_run_step_by_step(make, options, form):
    """Of every sequence, as the batch is a small one."""
    layer = make(3, 4, batch_first=form == "batch first", **options)
    x = torch.randn(5, 3) if form == "unbatched" else torch.randn(3, 5, 3) if form == "batch first" else torch.randn(5, 3, 3)
    x = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([2, 5, 3]), enforce_sorted=False) if form == "packed" else x
    twin = _twin(layer)
    state = tuple(torch.randn(s[0], *s[1 + (form == "unbatched") :]) for s in twin.state_shapes(3))
    for hx in (None, state if len(state) > 1 else state[0]):
        output, _ = layer(x, hx)
        for seen, gates in zip(some_gates(layer, x, hx, output), twin.gates(x, hx), strict=True):
            assert set(seen) == set(gates) - {"c", "h"}
            for letter in seen:
                every = gates[letter].data if form == "packed" else gates[letter]
                assert torch.allclose(seen[letter].flatten().sort()[0], every.flatten().sort()[0], atol=1e-5)


def test_of_a_large_batch_four_sequences_are_looked_at():
    layer, x = nn.GRU(3, 4), torch.randn(5, 33, 3)
    assert some_gates(layer, x, None, layer(x)[0])[0]["z"].shape == (5 * 4, 4)


def test_parameters_that_are_computed_are_looked_at_too_and_nothing_is_drawn():
    model = Tagger(typed.LSTM(3, 4, num_layers=2, dropout=0.5))
    nn.utils.parametrizations.weight_norm(model.rnn, "weight_hh_l0")
    x = torch.randn(5, 2, 3)
    torch.manual_seed(0)
    expected, then = model(x), torch.rand(1)
    with rnncheck.watch(model, sample=1.0, policy="raise") as seen:
        torch.manual_seed(0)
        assert torch.equal(model(x), expected) and torch.equal(torch.rand(1), then)
    assert seen.calls == 1


def test_what_stays_is_met_after_two_hundred_calls_at_most():
    model = Tagger(nn.GRU(3, 4))
    optimizer, x = torch.optim.SGD(model.parameters(), 0.0), torch.randn(5, 2, 3)
    with rnncheck.watch(model, policy="count", max_norm=1.0) as seen:
        for turn in range(400):
            model.zero_grad()
            model(torch.full_like(x, torch.nan) if turn > 150 else x).sum().backward()
            rnncheck.clip.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            assert not seen.findings if turn <= 150 else set(seen.findings) or turn < 350
    assert set(seen.findings) == {("rnn", "non-finite"), ("Tagger", "gradient norm")}
    assert 4 <= seen.calls <= 6  # the first, and one of every hundred


def test_the_steps_of_another_models_optimizer_are_none_of_its_business():
    model, other = Tagger(nn.GRU(3, 4)), nn.Linear(2, 2)
    (1000 * model(torch.randn(5, 2, 3)).sum()).backward()
    model(torch.randn(5, 2, 3))
    with rnncheck.watch(model, policy="count", max_norm=1.0) as seen:
        torch.optim.SGD(other.parameters(), 0.1).step()
        model(torch.randn(5, 2, 3))
        assert not seen.findings
        torch.optim.SGD(model.parameters(), 0.0).step()
    assert set(seen.findings) == {("Tagger", "gradient norm")}


def test_a_call_that_cannot_be_read_is_told_and_stops_nothing():
    class Own(nn.LSTM):
        def forward(self, *, sequence):
            return super().forward(sequence)

    with (
        pytest.warns(ContractWarning, match="rnn: a call could not be checked: TypeError"),
        rnncheck.watch(nn.ModuleDict({"rnn": Own(3, 4)}), policy="raise") as seen,
    ):
        seen.model["rnn"](sequence=torch.randn(5, 2, 3))


def test_unclipped_gradients_are_told_at_the_step():
    model = Tagger(nn.GRU(3, 4))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    (1000 * model(torch.randn(5, 2, 3)).sum()).backward()
    with (
        pytest.raises(ContractViolation, match="at the optimizer's step, but should be at most 1"),
        rnncheck.watch(model, policy="raise", max_norm=1.0),
    ):
        optimizer.step()
    optimizer.step()  # and the hook is gone


def test_a_wrong_shape_is_told():
    class Narrow(nn.LSTM):
        def forward(self, input, hx=None):
            output, state = super().forward(input, hx)
            return output[..., :2], state

    with (
        pytest.raises(ContractViolation, match=r"output has shape \(5, 2, 2\), but should have \(5, 2, 4\)"),
        rnncheck.watch(Narrow(3, 4), policy="raise") as seen,
    ):
        seen.model(torch.randn(5, 2, 3))


def test_a_model_without_recurrent_layers_is_refused():
    with pytest.raises(ValueError, match="there is no recurrent layer inside"):
        rnncheck.watch(nn.Linear(2, 2))


def test_a_watched_model_is_copied_pickled_and_compiled():
    model = Tagger(typed.GRU(3, 4))
    with rnncheck.watch(model, sample=1.0) as seen:
        x = torch.randn(5, 2, 3)
        expected = model(x)
        for other in (
            copy.deepcopy(model),
            pickle.loads(pickle.dumps(model)),
            nn.DataParallel(model),
            torch.compile(model, fullgraph=True, backend="eager"),
            torch.func.vmap(model, in_dims=1, out_dims=1),
        ):
            assert torch.allclose(other(x), expected, atol=1e-6)
    assert seen.calls == 3  # the model's own, its copy's and DataParallel's


def test_that_nothing_was_looked_at_is_told():
    model = Tagger(typed.GRU(3, 4))
    with (
        pytest.warns(ContractWarning, match="no call of rnn was checked: none was made, or all were compiled"),
        rnncheck.watch(model, sample=1.0),
    ):
        torch.compile(model, fullgraph=True, backend="eager")(torch.randn(5, 2, 3))


def test_an_unknown_policy_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="policy = 'shout'"):
        rnncheck.watch(nn.LSTM(2, 3), policy="shout")


class HandWritten(nn.Module):
    """A GRU as people write one, batch first, which returns its outputs alone."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gates, self.candidate = (nn.Linear(input_size + hidden_size, n * hidden_size) for n in (2, 1))

    def forward(self, x):
        h = x.new_zeros(len(x), self.hidden_size)
        outputs = []
        for step in x.unbind(1):
            r, z = self.gates(torch.cat([step, h], -1)).sigmoid().chunk(2, -1)
            h = z * h + (1 - z) * self.candidate(torch.cat([step, r * h], -1)).tanh()
            outputs.append(h)
        return torch.stack(outputs, 1)


class TorchNames(nn.Module):
    """A tanh layer with torch's names and call, as in the README."""

    def __init__(self):
        super().__init__()
        self.weight_ih_l0, self.weight_hh_l0 = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4, 4))
        self.bias_ih_l0, self.bias_hh_l0 = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))

    def forward(self, input, hx=None):
        h = input.new_zeros(input.shape[1], 4) if hx is None else hx[0]
        outputs = []
        for x in input:
            h = torch.tanh(x @ self.weight_ih_l0.T + self.bias_ih_l0 + h @ self.weight_hh_l0.T + self.bias_hh_l0)
            outputs.append(h)
        return torch.stack(outputs), h[None]


class Inside(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.rnn, self.head, self.norm = layer, nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.LayerNorm(4)

    def forward(self, x):
        found = self.rnn(x)
        return self.head(self.norm(found if isinstance(found, torch.Tensor) else found[0]))


HandWrittenGRU = type("HandWrittenGRU", (HandWritten,), {"__module__": __name__})


@pytest.mark.parametrize("make", [TorchNames, lambda: HandWrittenGRU(3, 4)])
def test_a_layer_that_is_written_by_hand_is_found_and_looked_at(make, recwarn):
    model = Inside(make())
    with rnncheck.watch(model, sample=1.0) as seen:
        model(torch.randn(2, 2, 3))
    assert list(seen.layers) == ["rnn"]
    assert (seen.calls, dict(seen.findings)) == (1, {})
    with rnncheck.watch(model, sample=1.0, policy="count") as seen:
        model(torch.full((2, 2, 3), torch.nan))
    assert seen.findings["rnn", "non-finite"] >= 1


def test_modules_that_are_no_recurrences_are_not_found():
    with pytest.raises(ValueError, match="no recurrent layer inside"):
        rnncheck.watch(nn.Sequential(nn.Linear(3, 4), nn.Conv1d(3, 4, 2), Inside(nn.Linear(4, 4))))


def test_a_warning_points_at_the_users_line():
    model = Tagger(nn.GRU(3, 4))
    with pytest.warns(ContractWarning, match="non-finite") as told, rnncheck.watch(model, sample=1.0):
        model(torch.full((5, 2, 3), torch.nan))
    assert told[0].filename == __file__
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(torch.randn(5, 2, 3)).sum().backward()
    with pytest.warns(ContractWarning, match="at the optimizer's step") as told, rnncheck.watch(model, sample=1.0, max_norm=1e-9):
        model(torch.randn(5, 2, 3))
        optimizer.step()
    assert [warning.filename for warning in told] == [__file__]
