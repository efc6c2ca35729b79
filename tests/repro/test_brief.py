"""A failure in a few lines of Python: the lines run, and show the number that they say."""

import pytest
import torch
from torch import nn

from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.values import Values
from rnncheck.repro.brief import COLUMNS, MOST_LINES, brief_calls
from rnncheck.repro.brief_layer import value_text
from rnncheck.repro.helpers import renamed
from tests.adapters.support import claimed
from tests.effort import some

ZEROS = {name: Values("zeros") for name in ("weights", "biases", "input")}
SMALL = Case(Config("GRU", 1, 1), 2, 1, hx="random", **ZEROS, state=Values("ones"))


class Forgetful(nn.GRU):
    """Begins with zeros, whatever it is given."""

    def forward(self, x, hx=None):
        return super().forward(x)


class BatchMajor(Forgetful):
    """Takes sequences of a batch first, and no argument that says so."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, batch_first=True)


class Backwards(nn.LSTM):
    """Gives its outputs back in reverse order of time."""

    def forward(self, x, hx=None):
        output, state = super().forward(x, hx)
        return output.flip(0) if isinstance(output, torch.Tensor) else output, state


class Raising(nn.GRU):
    """Cannot do with two steps."""

    def forward(self, x, hx=None):
        if len(x) == 2:
            raise KeyError("two")
        return super().forward(x, hx)


class Drifting(nn.GRU):
    """Adds a little to each later call."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0

    def forward(self, x, hx=None):
        output, state = super().forward(x, hx)
        self.calls += 1
        return output + 0.01 * (self.calls - 1), state


def brief(layer: type[nn.Module], prop: str, case: Case) -> str:
    text = brief_calls(claimed(layer, against=layer.__base__), CATALOG[prop], case)
    assert text is not None
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES and all(len(line) <= COLUMNS for line in lines)
    return text


def told(text: str, layer: type[nn.Module]) -> tuple[float, float]:
    """Run all lines, and return the number that the last one shows and the one that it says it shows."""
    names = {"torch": torch, layer.__name__: layer}
    *lines, last = text.splitlines()
    with torch.no_grad():
        exec("\n".join(lines), names)
        expression, _, said = last.partition("  # ")
        return eval(expression, names).item(), float(said.partition(",")[0])


@pytest.mark.parametrize("layer, prop, case", some([
    (Forgetful, "agree.forward", SMALL), (Forgetful, "state.used", SMALL.but(hx="none", time=1)),
    (Forgetful, "time.split", SMALL.but(hx="none", biases=Values("ones"))),
    (Forgetful, "agree.forward", SMALL.but(batch_first=True, batch=2)), (Forgetful, "agree.forward", SMALL.but(batch=None)),
    (Forgetful, "agree.forward", SMALL.but(lengths=(2, 1), batch=2)), (Forgetful, "agree.forward", SMALL.but(dtype="float64")),
    (Forgetful, "agree.forward", SMALL.but(weights=Values())), (Forgetful, "state.used", SMALL.but(weights=Values(), num_layers=2)),
    (BatchMajor, "agree.forward", SMALL.but(batch_first=True, batch=2)),
    (Backwards, "agree.forward", SMALL.but(mode="LSTM", biases=Values("ones"))),
], 3))  # fmt: skip
def test_the_lines_show_the_number_that_they_say(layer, prop, case):
    text = brief(layer, prop, case)
    shown, said = told(text, layer)
    assert shown == pytest.approx(said, rel=1e-4, abs=1e-6), text


def test_the_smallest_failure_reads_like_this():
    assert brief(Forgetful, "agree.forward", SMALL.but(time=1)).splitlines()[1:] == [
        "for p in layer.parameters(): p.data.zero_()  # weights 0, biases 0",
        "output, h_n = layer(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))",
        "output[0, 0, 0]  # 0, expected 0.5",
    ]


def test_what_is_raised_stands_beside_the_call():
    assert brief(Raising, "shape.output", SMALL).splitlines()[-1].endswith("  # raises KeyError: 'two'")


def test_a_call_that_is_wrong_only_after_others_is_shown_with_them():
    text = brief(Drifting, "mode.repeatable", SMALL.but(biases=Values("ones")))
    assert text.count("= layer(") == 2
    shown, said = told(text, Drifting)
    assert shown == pytest.approx(said, rel=1e-4), text


def test_a_long_failure_is_left_to_the_script():
    large = Case(Config("GRU", 9, 9), 7, 8, hx="random")
    assert brief_calls(claimed(Forgetful, against=nn.GRU), CATALOG["agree.forward"], large) is None


@pytest.mark.parametrize("value, text", [
    (torch.zeros(2, 1), "torch.zeros(2, 1)"), (torch.ones(1, dtype=torch.float64), "torch.ones(1, dtype=torch.float64)"),
    (torch.tensor([[0.1, 0.25]]), "torch.tensor([[0.1, 0.25]])"), (torch.full((3,), 0.5), "torch.full((3,), 0.5)"),
])  # fmt: skip
def test_tensors_in_words(value, text):
    assert value_text(value) == text
    assert torch.equal(eval(text), value)


def test_a_layer_of_another_library_has_no_module_and_keeps_torchs_names():
    class Foreign:
        module = None

        def parameters(self):
            return {"weight_ih_l0": torch.zeros(1, 1)}

    assert renamed(Foreign()) == {}
