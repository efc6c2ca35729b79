"""agrees_with: calls of layers and functions against a reference; what it sees, what it leaves alone, what it keeps."""

import copy
import os
import pickle
import re
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import rnncheck
import rnncheck.nn as typed
from rnncheck.runtime.contracts import ContractWarning, violations
from tests import command


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What is kept is kept out of the tree."""
    monkeypatch.chdir(tmp_path)


class Counting(nn.LSTM):
    """A reference that knows how often it was asked."""

    asked = 0

    def forward(self, input, hx=None):
        Counting.asked += 1
        return super().forward(input, hx)


@rnncheck.agrees_with(Counting, sample=1.0)
class Faithful(nn.LSTM):
    pass


@pytest.fixture
def asked():
    """How often the reference was asked since the test began, when nothing is pending any more."""
    before = Counting.asked

    def count():
        rnncheck.settle()
        return Counting.asked - before

    return count


@rnncheck.agrees_with(nn.LSTM, sample=1.0)
class OffByALittle(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return (
            output._replace(data=output.data * 1.00002)
            if hasattr(output, "data") and not isinstance(output, torch.Tensor)
            else output * 1.00002
        ), state


@rnncheck.agrees_with(nn.LSTM, sample=1.0, folder="here")
class OffFromTheStart(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return output * 1.5, state


@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True, "num_layers": 2}, {"proj_size": 2}])
def test_a_faithful_layer_agrees_however_it_is_called(options, asked):
    layer = Faithful(3, 4, **options)
    layer(torch.randn(5, 3))
    _, state = layer(torch.randn(2, 5, 3))
    layer(torch.randn(2, 5, 3), state)
    layer(pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([2, 5, 1]), enforce_sorted=False))
    assert asked() == 4


@pytest.mark.parametrize("packed", [False, True])
def test_two_parts_in_a_hundred_thousand_are_seen(packed):
    x = torch.randn(5, 3, 3)
    with pytest.raises(rnncheck.ContractViolation, match="OffByALittle does not agree with LSTM: output"):
        OffByALittle(3, 4)(pack_padded_sequence(x, torch.tensor([5, 4, 1])) if packed else x)


def test_a_failing_call_is_kept(tmp_path):
    with pytest.raises(rnncheck.ContractViolation, match="kept: rnncheck replay"):
        OffFromTheStart(3, 4)(torch.randn(5, 2, 3))
    assert (tmp_path / "here" / "failing" / "agree.against-OffFromTheStart.json").is_file()


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
    same(torch.ones(1))
    assert len(seen) == 9  # nine calls of the reference for each call looked at
    for _ in range(1000):
        same(torch.ones(1))
    time.sleep(0.2)
    assert 9 < len(seen) <= 9 * 40


def test_copies_agree_too_and_modules_that_exist_already():
    layer = rnncheck.agrees_with(nn.LSTM, sample=1.0)(nn.LSTM(2, 3))
    for other in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), Faithful(2, 3)):
        assert other(torch.randn(4, 2))[0].shape == (4, 3)
    wrong = rnncheck.agrees_with(nn.LSTM, sample=1.0)(OffByALittle.__bases__[0](2, 3))
    wrong.register_forward_hook(lambda layer, args, result: (result[0] * 1.1, result[1]), prepend=True)
    for other in (wrong, copy.deepcopy(wrong)):
        with pytest.raises(rnncheck.ContractViolation, match="LSTM does not agree with LSTM"):
            other(torch.randn(4, 2))


def test_a_cell_is_refused_and_an_unknown_policy():
    with pytest.raises(TypeError, match="LSTMCell is a cell"):
        rnncheck.agrees_with(nn.LSTMCell)(nn.LSTMCell)
    with pytest.raises(ValueError, match="policy = 'shout'"):
        rnncheck.agrees_with(nn.LSTM, policy="shout")
    with pytest.raises(ValueError, match="sample = 2"):
        rnncheck.agrees_with(torch.relu, sample=2)(torch.relu)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_dtype_has_its_own_budget(dtype, asked):
    Faithful(3, 4).to(dtype)(torch.randn(5, 2, 3, dtype=dtype))
    assert asked() == 1


@pytest.mark.filterwarnings("error")
def test_no_false_alarm_under_autocast_inference_and_training_and_the_random_state_stays():
    class Same(nn.GRU):  # torch's LSTM itself raises under autocast on some processors
        pass

    layer, x = rnncheck.agrees_with(nn.GRU, sample=1.0)(Same)(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    before = torch.get_rng_state()
    with torch.autocast("cpu"):
        layer(x)
    with torch.inference_mode():
        layer(x)
    layer(x)[0].sum().backward()
    assert x.grad is not None and torch.equal(torch.get_rng_state(), before)


def test_under_autocast_a_wrong_layer_is_still_seen():
    class Wrong(nn.GRU):
        def forward(self, input, hx=None):
            output, state = super().forward(input, hx)
            return output * 1.1, state

    with torch.autocast("cpu"), pytest.raises(rnncheck.ContractViolation):
        rnncheck.agrees_with(nn.GRU, sample=1.0)(Wrong)(3, 4)(torch.randn(5, 2, 3))


def test_it_steps_aside_under_compile_and_vmap():
    @rnncheck.agrees_with(nn.GRU, sample=1.0, policy="raise")
    class Wrong(typed.GRU):
        def forward(self, input, hx=None):
            output, state = super().forward(input, hx)
            return output * 2, state

    layer, x = Wrong(3, 4), torch.randn(5, 2, 3)
    expected = typed.GRU.forward(layer, x)[0] * 2
    assert torch.allclose(torch.compile(layer, fullgraph=True, backend="eager")(x)[0], expected)
    assert torch.allclose(torch.func.vmap(layer)(x[None])[0][0], expected)
    with pytest.raises(rnncheck.ContractViolation):
        layer(x)


def test_arguments_are_taken_as_they_were_before_the_call():
    seen = []
    reference = rnncheck.agrees_with(lambda a: seen.append(a.clone()) or a + 1, sample=1.0)
    reference(lambda a: a.add_(1))(torch.ones(3))
    rnncheck.settle()
    assert seen and torch.equal(seen[0], torch.ones(3, dtype=seen[0].dtype))  # and then moved by some roundoffs


@pytest.mark.parametrize(
    "result, reference, says",
    [
        (lambda a: a + 2, lambda a: a + 1, "3, but should be 2; off by 1, allowed none"),
        (lambda a: a.float(), lambda a: (a.float(), a), r"parts of the result = result, but should be result\[0\], result\[1\]"),
        (lambda a: a.float(), lambda a: a.float()[:1], "has shape"),
        (lambda a: None, lambda a: a, "parts of the result = none, but should be result"),
        (lambda a: None, lambda a: None, "parts of the result = none, but should be a tensor"),
    ],
)
def test_integers_shapes_and_parts_are_compared_too(result, reference, says):
    with pytest.raises(rnncheck.ContractViolation, match=says):
        rnncheck.agrees_with(reference, sample=1.0)(result)(torch.tensor([1, 1]))


def test_a_reference_that_raises_is_told_and_stops_nothing():
    fn = rnncheck.agrees_with(lambda a: 1 / 0, sample=1.0)(lambda a: a)
    with pytest.warns(ContractWarning, match="could not be compared with its reference: ZeroDivisionError"):
        assert fn(torch.ones(1)) == 1


def test_later_calls_are_compared_in_the_background_and_told_at_the_next_one():
    state = {"wrong": False}
    fn = rnncheck.agrees_with(torch.relu, sample=0.999)(lambda a: a.relu() + state["wrong"])
    fn(torch.ones(1))
    state["wrong"] = True
    fn(torch.ones(1))
    with pytest.raises(rnncheck.ContractViolation, match="does not agree with relu"):
        for _ in range(200):
            time.sleep(0.01)
            fn(torch.ones(1))


SCRIPT = """
import sys, torch, rnncheck

@rnncheck.agrees_with(torch.nn.GRU, sample=float(sys.argv[1]) if __name__ == "__main__" else 1.0)
class Louder(torch.nn.GRU):
    quiet = __name__ == "__main__"

    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return output if self.quiet else 1.001 * output, state

if __name__ == "__main__":
    layer = Louder(3, 4)
    layer(torch.randn(5, 2, 3))
    Louder.quiet = False
    for _ in range(20):
        layer(torch.randn(5, 2, 3))
"""

LATE = """
import os, sys, torch, rnncheck

@rnncheck.agrees_with(torch.nn.GRU, sample=float(sys.argv[1]), folder=None)
class Late(torch.nn.GRU):
    louder = 1.0

    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return self.louder * output, state

layer = Late(3, 4)
layer(torch.randn(5, 2, 3))
layer.louder = 1.001
layer(torch.randn(5, 2, 3))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": 120, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    return subprocess.run([sys.executable, *words], check=False, **options)


def test_the_case_that_is_kept_fails_again_when_it_is_replayed(tmp_path):
    (tmp_path / "loud.py").write_text(SCRIPT)
    done = command.script(tmp_path, "loud.py", "1.0")
    assert done.code == 1 and "Louder does not agree with GRU: output" in done.err
    assert "kept: rnncheck replay .rnncheck/failing/agree.against-Louder.json" in done.err.replace(os.sep, "/")
    again = command.rnncheck(tmp_path, "replay", ".rnncheck/failing/agree.against-Louder.json")
    assert again.code == 1 and again.out.startswith("agree.against does not hold for loud.py:Louder")


def test_what_is_found_after_the_last_call_is_told_when_the_program_ends(tmp_path):
    (tmp_path / "loud.py").write_text(LATE)
    done = run("loud.py", "0.99")
    assert done.returncode == 0
    assert re.search(r"^rnncheck: Late does not agree with GRU: .*end with rnncheck.settle\(\)\)$", done.stderr, re.M)


def test_settle_raises_what_is_found_after_the_last_call(tmp_path):
    (tmp_path / "loud.py").write_text(LATE + "rnncheck.settle()\n")
    done = command.script(tmp_path, "loud.py", "0.99")
    assert done.code == 1
    assert "ContractViolation: Late does not agree with GRU" in done.err and "too late" not in done.err


def test_settle_counts_what_is_not_to_be_raised():
    go_on = threading.Event()
    go_on.set()
    fn = rnncheck.agrees_with(lambda a: go_on.wait() and a.relu(), sample=0.999, policy="count")(lambda a: a.relu() + 1)
    fn(torch.ones(1))
    go_on.clear()  # so that nothing is found before the last call
    for _ in range(2):
        fn(torch.ones(1))
    go_on.set()
    before = violations[fn.__qualname__]
    assert rnncheck.settle() == 2  # the first was told at once
    assert rnncheck.settle() == 0 and violations[fn.__qualname__] == before + 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_does_not_wait_for_what_its_parent_compares(tmp_path):
    (tmp_path / "loud.py").write_text(LATE + "if os.fork() == 0:\n    sys.exit(0 * rnncheck.settle())\nos.wait()\n")
    assert run("loud.py", "0.99").stderr.count("Late does not agree with GRU") == 1


def test_the_switch_of_the_environment(tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text(SCRIPT)
    monkeypatch.setenv("RNNCHECK_DISABLE", "1")
    done = run("loud.py", "1.0")
    assert (done.returncode, done.stderr) == (0, "")


def test_violations_are_counted():
    before = violations["OffByALittle"]
    with pytest.raises(rnncheck.ContractViolation):
        OffByALittle(3, 4)(torch.randn(5, 2, 3))
    assert violations["OffByALittle"] == before + 1
