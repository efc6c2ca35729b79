"""Where a subject first leaves its budget, in words and numbers."""

import pytest
import torch

from rnncheck.core.config import Config
from rnncheck.core.run import Run
from rnncheck.diagnosis import Answer, asked_of, error_curve, localise
from rnncheck.oracle import ROUNDINGS, budget
from tests.oracle.correct_layers import Data, Draw, loop
from tests.oracle.test_budget import generic, scaled_gate

LENGTHS = [5, 12, 9]


def found(config: Config, lengths=None, **off):
    """The location of one number that is off: part=(index)."""
    data = generic(config)
    case = budget(*data.arguments[:5], lengths, rounding=ROUNDINGS["float32"], seed=0)
    wrong = {name: value.clone() for name, value in case.truth.parts()}
    for part, index in off.items():
        wrong[part][index] += 0.1
    return localise(config, case, Run(**wrong), lengths)


def test_a_right_result_has_no_location():
    assert found(Config("LSTM", 4, 3)) is None


@pytest.mark.parametrize(
    ("config", "lengths", "off", "words"),
    [
        (Config("LSTM", 4, 3), None, {"output": (2, 1, 0)}, "time 2, layer 0, forward, batch 1"),
        (Config("GRU", 4, 3, num_layers=3), None, {"output": (7, 0, 2)}, "time 7, layer 2, forward, batch 0"),
        (Config("GRU", 4, 3, bidirectional=True), None, {"output": (slice(3, 9), 2, 4)}, "time 8, layer 0, reverse, batch 2"),
        (Config("GRU", 4, 3, bidirectional=True), LENGTHS, {"output": (slice(0, 4), 0, 5)}, "time 3, layer 0, reverse, batch 0"),
        (Config("LSTM", 4, 3, num_layers=2), None, {"output": (5, 1, 0), "c_n": (0, 1, 2)}, "time 5, layer 0, forward, batch 1"),
        (Config("LSTM", 4, 3, num_layers=2), None, {"c_n": (1, 2, 2)}, "final c_n, layer 1, forward, batch 2"),
        (Config("LSTM", 4, 3, bidirectional=True), None, {"h_n": (1, 0, 1)}, "final h_n, layer 0, reverse, batch 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_says_where(config, lengths, off, words):
    assert str(found(config, lengths, **off)) == words


def test_the_curve_has_a_point_for_every_step():
    location = found(Config("RNN_TANH", 4, 3), output=(4, 1, 2))
    assert location is not None and location.features == 2 and location.share > 1000
    assert [share > 1 for share in location.curve] == [time == 4 for time in range(12)]


def test_prefixes_find_the_step_of_a_lower_layer():
    config = Config("RNN_TANH", 4, 3, num_layers=2)
    data = generic(config)

    def prefix(steps: int):
        case = budget(config, data.parameters, data.x[:steps], data.h_0, rounding=ROUNDINGS["float32"], seed=0)
        h_n = case.truth.h_n.clone()
        h_n[0, 2] += 0.1 * (steps > 6)
        output = case.truth.output.clone()
        output[8:, 2] += 0.1
        return case, Run(output, h_n)

    case, actual = prefix(12)
    assert str(localise(config, case, actual)) == "time 8, layer 0, forward, batch 2"
    assert str(localise(config, case, actual, prefix=prefix)) == "time 6, layer 0, forward, batch 2"
    only_h_n = Run(case.truth.output, actual.h_n)
    assert str(localise(config, case, only_h_n, prefix=prefix)) == "final h_n, layer 0, forward, batch 2"


def test_a_nan_is_off_and_the_curve_says_so():
    data: Data = generic(Config("GRU", 4, 3))
    case = budget(*data.arguments, rounding=ROUNDINGS["float32"], seed=0)
    output = case.truth.output.clone()
    output[9:, 1] = torch.nan
    assert str(localise(data.config, case, Run(output, case.truth.h_n))) == "time 9, layer 0, forward, batch 1"
    assert error_curve(case, Run(output, case.truth.h_n))[8:10] == [0.0, torch.inf]


@pytest.mark.parametrize(("spoiled", "named"), [("f", "f"), ("o", "o"), ("i", "i or g")])
def test_the_gate_is_named_where_its_error_explains_all(spoiled, named):
    data = generic(Config("LSTM", 4, 3))
    case = budget(*data.arguments, rounding=ROUNDINGS["float32"], seed=0)
    actual = loop(data, scaled_gate(spoiled, 1e-4))
    rounding = ROUNDINGS["float32"]
    answer = Answer.of(asked_of(*data.arguments), actual, rounding, 0)
    assert str(localise(data.config, case, actual, answer=answer)).endswith(f", gate {named}")
    unexplained = Run(actual.output * torch.linspace(0.9, 1, 12)[:, None, None], *actual.state)
    answer = Answer.of(asked_of(*data.arguments), unexplained, rounding, 0)
    location = localise(data.config, case, unexplained, answer=answer)
    assert location is not None and location.gate is None


def test_draws_are_repeatable():
    assert torch.equal(Draw(3)().x, Draw(3)().x)
