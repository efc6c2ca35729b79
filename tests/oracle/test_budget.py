"""The allowed error: what it must find, what it must not, and its edges."""

import math
from dataclasses import replace

import pytest
import torch

from rnncheck.core.config import MODES, Config
from rnncheck.core.run import Run
from rnncheck.oracle import ROUNDINGS, budget, rounding_for
from rnncheck.oracle.margin import margin
from tests.effort import at_night
from tests.oracle.correct_layers import LAYERS, MODELS, Data, Draw, Style, can, loop, torch_nn

FLOAT32 = ROUNDINGS["float32"]


def generic(config: Config, dtype: torch.dtype = torch.float32, time: int = 12, batch: int = 3, seed: int = 0) -> Data:
    """Weights of standard deviation 1/2, everything else of 1."""
    draw, strands = Draw(seed), config.num_layers * config.directions
    parameters = {name: (draw.normal(*shape) / 2).to(dtype) for name, shape in config.parameter_shapes().items()}
    c_0 = draw.normal(strands, batch, config.hidden_size).to(dtype) if config.takes_tuple else None
    x, h_0 = draw.normal(time, batch, config.input_size), draw.normal(strands, batch, config.state_size)
    return Data(config, dtype, parameters, x.to(dtype), h_0.to(dtype), c_0, None)


def used(data: Data, actual: Run, seed: int = 0) -> float:
    """The share of the budget of the case's own dtype."""
    return budget(*data.arguments, rounding=rounding_for(data.dtype), seed=seed).used(actual)


def scaled_gate(gate: str, error: float) -> Style:
    """A layer in which this gate is wrong by a relative error."""
    return Style(gate=lambda letter, value: value * (1 + error) if letter == gate else value)


def test_the_same_seed_gives_the_same_budget_and_no_other():
    data = generic(Config("LSTM", 4, 3, num_layers=2, bidirectional=True))
    first, again, other = (budget(*data.arguments, rounding=FLOAT32, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.allowed.output, again.allowed.output)
    assert not torch.equal(first.allowed.output, other.allowed.output)
    ratio = first.allowed.output / other.allowed.output
    assert 0.4 < float(ratio.min()) and float(ratio.max()) < 2.5


def test_no_false_alarm_in_some_random_cases():
    draw, shares = Draw(12345, longest=60), []
    for case, data in enumerate(draw.many(at_night(150, 50))):
        name = draw.random.choice([name for name in LAYERS if can(name, data)])
        with torch.no_grad():
            share = used(data, LAYERS[name](data), case)
        assert share <= 1, f"case {case}: {name} on {data.config}, {data.dtype}: {share}"
        shares.append(share)
    assert 0.05 < torch.tensor(shares).median() < 0.3  # neither tight nor asleep


@pytest.mark.parametrize("name", MODELS)
def test_layers_that_round_as_another_model_says_are_within_it(name: str):
    model, layer = MODELS[name]
    shares = []
    for case, data in enumerate(Draw(5, (torch.float32,), longest=30).many(at_night(40, 15))):
        if can(name, data):
            with torch.no_grad():
                shares.append(budget(*data.arguments, rounding=ROUNDINGS[model], seed=case).used(layer(data)))
    assert 0 < max(shares) <= 1


@pytest.mark.parametrize("gate", ["f", "i", "o", "g"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_relative_error_of_one_in_100000_on_one_gate_is_found(gate: str, seed: int):
    data = generic(Config("LSTM", 4, 3), time=8, seed=seed)
    assert used(data, loop(data, Style()), seed) < 1 < used(data, loop(data, scaled_gate(gate, 1e-5)), seed)


@pytest.mark.parametrize("gate", ["f", "i", "o", "g"])
def test_a_relative_error_of_one_in_a_million_on_one_gate_is_found_within_a_few_cases(gate: str):
    cases = [generic(Config("LSTM", 4, 5), time=20, seed=seed) for seed in range(8)]
    assert all(used(data, loop(data, Style())) < 1 for data in cases)
    assert sum(used(data, loop(data, scaled_gate(gate, 1e-6))) > 1 for data in cases) >= 3


@pytest.mark.parametrize("mode", ["GRU", "LSTM"])
def test_a_sigmoid_that_is_off_by_one_in_100000_is_found(mode):
    data = generic(Config(mode, 4, 3))
    off = Style(sigmoid=lambda a: torch.sigmoid(a) + 1e-5 * torch.sin(7 * a))
    assert used(data, loop(data, off)) > 1


def test_a_tolerance_for_all_cases_would_miss_what_this_finds():
    data = generic(Config("LSTM", 4, 3))
    wrong, exact = loop(data, scaled_gate("f", 5e-6)), budget(*data.arguments, rounding=FLOAT32, seed=0)
    torch.testing.assert_close(wrong.output, exact.truth.output.float())
    assert exact.used(wrong) > 1


@pytest.mark.parametrize("rounding", ROUNDINGS.values(), ids=str)
def test_each_model_accepts_what_rounds_like_it_and_not_what_rounds_more(rounding):
    data = generic(Config("LSTM", 5, 4, num_layers=2))
    coarse = {"float64": torch.float32, "float32": torch.float16, "float32 accumulating in float64": torch.float16}
    found = budget(*data.arguments, rounding=rounding, seed=0)
    assert found.used(found.truth) == 0
    if rounding.name in coarse:
        worse = found.truth.map(lambda value: value.to(coarse[rounding.name]).double())
        assert found.used(worse) > 1
    assert all(bool((part >= 0).all()) for _, part in found.allowed.parts())


def test_float64_sums_in_a_float32_layer_have_a_tighter_model():
    data = generic(Config("RNN_TANH", 40, 40))
    loose, tight = (
        budget(*data.arguments, rounding=ROUNDINGS[name], seed=0) for name in ("float32", "float32 accumulating in float64")
    )
    assert tight.used(LAYERS["accumulating in float64"](data)) < 1
    assert float((tight.allowed.output / loose.allowed.output).mean()) < 0.8


@pytest.mark.parametrize("mode", MODES)
def test_saturated_units_are_allowed_what_their_granularity_demands(mode):
    data = generic(Config(mode, 4, 3))
    huge = replace(data, parameters={name: 1e4 * value for name, value in data.parameters.items()})
    tiny = replace(data, parameters={name: 1e-20 * value for name, value in data.parameters.items()}, x=1e-20 * data.x)
    for changed in (huge, tiny):
        assert used(changed, torch_nn(changed)) <= 1


def test_a_chaotic_network_is_undecided_from_some_step_on_and_held_to_account_before():
    data = generic(Config("RNN_TANH", 4, 24), time=80)
    chaotic = replace(data, parameters={name: 4 * value for name, value in data.parameters.items()})
    found = budget(*chaotic.arguments, rounding=FLOAT32, seed=0)
    size = found.allowed.output.amax(dim=(1, 2))
    assert float(size[0]) < 1e-4 and float(size[-1]) > 1
    with torch.no_grad():
        actual = torch_nn(chaotic)
    assert float((actual.output - found.truth.output).abs().max()) > 0.1 and found.used(actual) < 1
    wrong = Run(actual.output.index_add(0, torch.tensor([0]), torch.full((1, 3, 24), 1e-3)), *actual.state)
    assert found.used(wrong) > 1


def test_nothing_is_said_where_the_dtype_overflows_and_everything_elsewhere():
    data = generic(Config("RNN_RELU", 4, 3), torch.float16)
    x = data.x.clone()
    x[5, 1] = 6e4
    parameters = {name: value.abs() + 1 for name, value in data.parameters.items()}
    found = budget(*replace(data, x=x, parameters=parameters).arguments, rounding=ROUNDINGS["float16"], seed=0)
    assert found.allowed.output[5:, 1].isinf().all() and found.allowed.h_n[0, 1].isinf().all()
    assert found.allowed.output[:5].isfinite().all()
    assert 0 < found.undecided < 1


def test_nothing_is_said_where_a_part_of_a_sum_may_overflow():
    """3e38 + 3e38 - 3e38 is finite in one order of summation only."""
    config = Config("RNN_RELU", 3, 2, bias=False)
    parameters = {name: torch.zeros(shape) for name, shape in config.parameter_shapes().items()}
    parameters["weight_ih_l0"][0] = torch.tensor([3.0, 3.0, -3.0])
    x = torch.tensor([1e38, 1.0])[None, :, None].expand(1, 2, 3)
    data = Data(config, torch.float32, parameters, x, torch.zeros(1, 2, 2), None, None)
    found = budget(*data.arguments, rounding=FLOAT32, seed=0)
    assert found.allowed.output[0, 0, 0] == torch.inf and found.allowed.output[0, 1].max() < 1e-5
    for name in ("one term after the other", "from the last term to the first"):
        assert found.used(LAYERS[name](data)) <= 1


@pytest.mark.parametrize("reverse", [False, True])
def test_a_rectifier_that_is_just_off_may_be_as_wrong_as_one_that_is_just_on(reverse: bool):
    """Few of the copies switch it on, so that their spread says little."""
    config = Config("RNN_RELU", 1, 1, bidirectional=True)
    for seed in range(20):
        bounds = []
        for side in (1, -1):
            parameters = {name: torch.ones(shape) for name, shape in config.parameter_shapes().items()}
            parameters |= {f"bias_ih_l0{d}": torch.tensor([-2.0 + side * 3e-7]) for d in ("", "_reverse")}
            state = torch.zeros(2, 2, 1)
            found = budget(config, parameters, torch.ones(2, 2, 1), state, None, [1, 2], rounding=FLOAT32, seed=seed)
            bounds.append((found.allowed.output[0, 0, int(reverse)], found.allowed.h_n[int(reverse), 0, 0]))
        (on, on_state), (off, off_state) = bounds
        assert 0.5 < float(off / on) < 2 and 0.5 < float(off_state / on_state) < 2, seed
        assert float(found.allowed.output[1, 0].max()) < 1e-30  # padding stays exact


def test_where_rectifiers_are_in_doubt_errors_may_take_other_ways():
    """Of four units two are within rounding of 0 at each of 40 steps, or far from it."""
    config, room = Config("RNN_RELU", 1, 4, bias=True), []
    for bias in (-1.0, 1.0):
        parameters = {
            "weight_ih_l0": torch.ones(4, 1),
            "weight_hh_l0": torch.diag(torch.tensor([0.5, 0.5, 0.25, 0.25])),
            "bias_ih_l0": torch.tensor([1.0, 1.0, bias, bias]),
            "bias_hh_l0": torch.zeros(4),
        }
        found = budget(config, parameters, torch.ones(40, 1, 1), rounding=FLOAT32, seed=0)
        room.append(float(found.allowed.output[-1, 0, 0] / found.truth.output[-1, 0, 0]))
    assert 2 < room[0] / room[1] < 20


@pytest.mark.parametrize("mode", ["GRU", "LSTM"])
def test_a_gate_that_rounds_to_1_at_every_step_loses_the_same_at_every_step(mode: str):
    """z or f is 1 - 4e-8 or so, and 1 in float32: what is lost of the state in 600 steps is 600 times as much."""
    config, gate = Config(mode, 2, 1), {"GRU": "z", "LSTM": "f"}[mode]
    data = generic(config, time=600, seed=3)
    parameters = {name: value.clone() for name, value in data.parameters.items()}
    row = config.gates.index(gate)
    parameters["bias_ih_l0"][row], parameters["weight_hh_l0"][row], parameters["bias_hh_l0"][row] = 17.2, 0.0, 0.0
    parameters["weight_ih_l0"][row] = 0.3
    if mode == "LSTM":  # nothing is added
        parameters["bias_ih_l0"][0] = -60.0
    given = replace(data, parameters=parameters)
    for name in ("torch.nn", "gate by gate", "biases last", "rnncheck.nn"):
        for seed in range(at_night(3, 1)):
            assert used(given, LAYERS[name](given), seed) < 1, (name, seed)


def test_nothing_is_said_where_autocast_overflows_an_operand():
    data = generic(Config("GRU", 4, 3))
    x = data.x.clone()
    x[5, 1, 2] = 1e5
    found = budget(*replace(data, x=x).arguments, rounding=ROUNDINGS["autocast(float16)"], seed=0)
    assert found.allowed.output[5:, 1].isinf().all() and found.allowed.output[:5].isfinite().all()
    assert found.allowed.output[:, [0, 2]].isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_nan_in_the_input_leaves_nothing_to_say_about_its_row_and_all_about_the_others(bad):
    data = generic(Config("GRU", 4, 3, num_layers=2))
    x = data.x.clone()
    x[2, 1, 0] = bad
    found = budget(*replace(data, x=x).arguments, rounding=FLOAT32, seed=0)
    clean = budget(*data.arguments, rounding=FLOAT32, seed=0)
    assert found.allowed.output[2:, 1].isinf().all() and found.allowed.output[:2].isfinite().all()
    assert torch.equal(found.truth.output[:, [0, 2]], clean.truth.output[:, [0, 2]])
    assert found.allowed.output[:, [0, 2]].isfinite().all()


def test_a_nan_in_the_result_is_never_within_the_budget():
    data = generic(Config("GRU", 4, 3))
    actual = torch_nn(data)
    output = actual.output.clone()
    output[3, 1, 2] = math.nan
    assert used(data, Run(output, *actual.state)) == math.inf


def test_padding_and_a_sequence_without_steps_are_exact():
    data = replace(generic(Config("LSTM", 4, 3, bidirectional=True)), lengths=[0, 12, 5])
    found = budget(*data.arguments, rounding=FLOAT32, seed=0)
    assert float(found.allowed.output[:, 0].max()) < 1e-30 and float(found.allowed.output[5:, 2].max()) < 1e-30
    nearly = Run(found.truth.output.clone(), *found.truth.state)
    nearly.output[7, 2, 0] = 1e-12
    assert found.used(nearly) > 1


def test_an_empty_batch_has_an_empty_budget():
    data = generic(Config("LSTM", 4, 3), batch=0)
    found = budget(*data.arguments, rounding=FLOAT32, seed=0)
    assert found.allowed.output.shape == (12, 0, 3) and found.used(found.truth) == 0


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    budget(*generic(Config("LSTM", 4, 3)).arguments, rounding=FLOAT32, seed=0)
    assert torch.equal(state, torch.get_rng_state())


def test_fewer_copies_cost_a_larger_margin():
    assert [round(margin(copies), 1) for copies in (4, 8, 16, 32)] == [37.0, 7.5, 3.8, 2.9]
    with pytest.raises(ValueError, match="even"):
        margin(5)
