"""Contracts on code that runs: each can be broken, and says where; none is in the way of code that keeps it."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import rnncheck
from rnncheck import contracts
from rnncheck.faces.decorators import ContractWarning, violations


@rnncheck.unit_interval
def gates(a):
    return {"r": a.sigmoid(), "z": (2 * a).sigmoid()}


@rnncheck.bounded(-1, 1)
def no_candidate(a):
    return (2 * a.tanh(),)


@rnncheck.norm_at_most("max_norm")
def clip(parameters, max_norm):
    return nn.utils.clip_grad_norm_(parameters, max_norm)


@rnncheck.norm_at_most("max_norm", of="parameters")
def clip_each(max_norm, parameters):
    for p in parameters:
        nn.utils.clip_grad_norm_(p, max_norm)


@rnncheck.agrees_with(nn.LSTM, sample=1.0)
class Faithful(nn.LSTM):
    pass


@rnncheck.agrees_with(nn.LSTM, sample=1.0)
class OffByALittle(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return (
            output._replace(data=output.data * 1.00002)
            if hasattr(output, "data") and not isinstance(output, torch.Tensor)
            else output * 1.00002
        ), state


def with_gradients(*values):
    found = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(found, values, strict=True):
        p.grad = torch.tensor(v)
    return found


def test_gates_that_are_gates_pass():
    assert set(gates(torch.randn(3, 4))) == {"r", "z"}


def test_the_worst_value_and_its_index_are_named():
    with pytest.raises(
        rnncheck.ContractViolation, match=r"no_candidate: result\[0\]\[1\] = 2, but should lie in \[-1, 1\]"
    ):
        no_candidate(torch.tensor([0.0, 9.0, 0.5]))


def test_nan_is_not_in_the_unit_interval():
    with pytest.raises(rnncheck.ContractViolation, match=r"\['r'\]\[0\] = nan"):
        gates(torch.tensor([float("nan")]))


def test_empty_and_scalar_results():
    assert gates(torch.zeros(0))["r"].numel() == 0
    assert rnncheck.unit_interval(lambda: torch.tensor(0.5))() == 0.5
    with pytest.raises(rnncheck.ContractViolation, match="result = 1.5"):
        rnncheck.unit_interval(lambda: torch.tensor(1.5))()


def test_a_clip_function_that_clips_passes_also_on_a_generator():
    parameters = with_gradients([3.0, 4.0], [12.0])
    clip((p for p in parameters), 1.0)
    assert torch.cat([p.grad for p in parameters]).norm() <= 1.0 + 1e-5


def test_per_tensor_clipping_breaks_the_bound():
    with pytest.raises(rnncheck.ContractViolation, match=r"clip_each: the gradients' total norm = 1.414.* at most 1"):
        clip_each(1.0, with_gradients([3.0, 4.0], [12.0]))


def test_an_argument_that_is_not_there():
    with pytest.raises(TypeError, match="no argument 'theta'"):
        rnncheck.norm_at_most("theta")(clip_each)


@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True, "bidirectional": True, "num_layers": 2}, {"proj_size": 2}]
)
def test_a_faithful_layer_agrees_however_it_is_called(options):
    layer = Faithful(3, 4, **options)
    layer(torch.randn(5, 3))
    _, state = layer(torch.randn(2, 5, 3))
    layer(torch.randn(2, 5, 3), state)
    layer(pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([2, 5, 1]), enforce_sorted=False))


@pytest.mark.parametrize("packed", [False, True])
def test_two_parts_in_a_hundred_thousand_are_seen(packed):
    x = torch.randn(5, 3, 3)
    with pytest.raises(rnncheck.ContractViolation, match="OffByALittle does not agree with LSTM: output"):
        OffByALittle(3, 4)(pack_padded_sequence(x, torch.tensor([5, 4, 1])) if packed else x)


def test_a_failing_call_is_kept(tmp_path):
    layer = rnncheck.agrees_with(nn.LSTM, sample=1.0, folder=tmp_path)(type("Wrong", (OffByALittle,), {}))
    with pytest.raises(rnncheck.ContractViolation):
        layer(3, 4)(torch.randn(5, 2, 3))


def test_functions_agree_with_functions():
    exact = rnncheck.agrees_with(torch.sigmoid, sample=1.0)(lambda a: 1 / (1 + (-a).exp()))
    assert exact(torch.randn(20)).shape == (20,)
    rough = rnncheck.agrees_with(torch.sigmoid, sample=1.0)(lambda a: (0.2 * a + 0.5).clamp(0, 1))
    with pytest.raises(rnncheck.ContractViolation, match="does not agree with sigmoid"):
        rough(torch.randn(20))


def test_sampling_looks_at_the_first_call_and_at_few_others():
    seen = []
    reference = lambda a: (seen.append(1), a)[1]  # noqa: E731
    same = rnncheck.agrees_with(reference, sample=0.01)(lambda a: a)
    for _ in range(1000):
        same(torch.ones(1))
    assert 9 <= len(seen) <= 9 * 40  # nine calls of the reference for each call looked at


def test_policies():
    def wrong():
        return torch.tensor([2.0])

    with pytest.warns(ContractWarning, match=r"result\[0\] = 2"):
        rnncheck.bounded(0, 1, policy="warn")(wrong)()
    before = violations[wrong.__qualname__]
    assert rnncheck.bounded(0, 1, policy="count")(wrong)() == 2
    assert violations[wrong.__qualname__] == before + 1
    with pytest.raises(ValueError, match="policy = 'shout', but should be one of raise, warn, log, count"):
        rnncheck.bounded(0, 1, policy="shout")


def test_one_switch_turns_them_off():
    with contracts.checking(False):
        assert no_candidate(torch.tensor([9.0]))[0] > 1


def test_they_step_aside_under_compile_and_survive_copies():
    compiled = torch.compile(gates, fullgraph=True, backend="eager")
    assert compiled(torch.tensor([0.5]))["r"].item() == pytest.approx(0.6225, abs=1e-4)
    layer = pickle.loads(pickle.dumps(copy.deepcopy(Faithful(2, 3))))
    assert layer(torch.randn(4, 2))[0].shape == (4, 3)
