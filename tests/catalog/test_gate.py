"""gate.*: what each property catches, what it lets through, and whether measured gates are the gates."""

import pytest
import torch

from rnncheck.catalog import CATALOG
from rnncheck.catalog.tools.gate_measurement import measured_gates
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.values import Values
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, killed, subject_of
from tests.mutants import MUTANTS

KILLS = {
    "gate.range": "peephole-after-sigmoid",
    "gate.candidate_range": "own-scaled-tanh",
    "gate.latch": "gates-i-f-swapped",
    "gate.closed_form": "bias-added-twice",
    "gate.state_bound": "own-leaky-relu",
    "gate.blend": "own-stretched-gate",
    "gate.one_step": "reset-before-vs-after",
    "gate.torch_cell": "chunk-order-i-f-o-g",
}


@pytest.mark.parametrize("mutant", ["own-cell-clipped", "own-cell-state-dropped-between-chunks", "own-decay-with-time"])
def test_a_latch_that_leaks_is_found(mutant):
    assert killed(CATALOG["gate.latch"], subject_of(MUTANTS[mutant])) is not None


DTYPES = {"float64": 1e-14, "float32": 1e-5, "bfloat16": 0.1, "float16": 0.01}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_measured_gates_of_an_lstm_are_its_gates(dtype, bias):
    """Against i, f, g, o computed from the parameters at the same input."""
    trial = Trial(TORCH["LSTM"], Case(Config("LSTM", 4, 3, bias=bias), time=2, batch=5, dtype=dtype, hx="random"))
    p = {name: value.double() for name, value in trial.parameters.items()}
    x, (h, _) = trial.x[0].double(), (part[0].double() for part in trial.given_state)
    x[:, 0] = 1.0  # as measured
    sums = x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + (p["bias_ih_l0"] + p["bias_hh_l0"] if bias else 0)
    i, f, g, o = sums.chunk(4, dim=1)
    expected = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
    for letter, seen in measured_gates(trial).items():
        torch.testing.assert_close(seen.value[0], expected[letter], rtol=0, atol=DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_measured_gates_of_a_gru_are_its_gates(dtype):
    """Likewise; at the state that the measurement chooses, which only the sums of r and z see."""
    trial = Trial(TORCH["GRU"], Case(Config("GRU", 4, 3), time=2, batch=5, dtype=dtype, hx="random"))
    without_h = {name: torch.zeros_like(p) if "weight_hh" in name else p for name, p in trial.parameters.items()}
    trial = trial.but(parameters=without_h)
    p = {name: value.double() for name, value in trial.parameters.items()}
    x = trial.x[0].double()
    x[:, 0] = 1.0
    r_x, z_x, n_x = (x @ p["weight_ih_l0"].T + p["bias_ih_l0"]).chunk(3, dim=1)
    b_r, b_z, b_n = p["bias_hh_l0"].chunk(3)
    r, z = (r_x + b_r).sigmoid(), (z_x + b_z).sigmoid()
    expected = {"r": r, "z": z, "n": (n_x + r * b_n).tanh()}
    for letter, seen in measured_gates(trial).items():
        torch.testing.assert_close(seen.value[0], expected[letter], rtol=0, atol=4 * DTYPES[dtype])


def test_the_gates_of_a_projection_are_measured_for_the_units_that_are_seen():
    trial = Trial(TORCH["LSTM"], Case(Config("LSTM", 4, 5, proj_size=2), time=2, batch=3, hx="random"))
    sizes = {letter: seen.value.shape[-1] for letter, seen in measured_gates(trial).items()}
    assert sizes == {"i": 5, "f": 5, "g": 5, "o": 2}


@pytest.mark.parametrize("mode", ["GRU", "LSTM"])
@pytest.mark.parametrize("seed", range(4))
def test_gates_of_upper_layers_are_measured_while_those_below_change(mode, seed):
    """What a layer returns while its gates are set is another input to the layer above."""
    config = Config(mode, 3, 3, num_layers=3, bidirectional=True)
    case = Case(config, 2, 3, dtype="float64", hx="random", biases=Values("sparse", 5.0), seed=seed)
    assert judge(CATALOG["gate.range"], Trial(TORCH[mode], case)).status == "holds"
