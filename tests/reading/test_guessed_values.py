"""What a constructor is given that names no type, by the names of its arguments."""

from inspect import Parameter

import pytest
from torch import nn

from rnncheck.reading.constructor.asked import Asked, asked_for
from rnncheck.reading.constructor.guessed_values import value_for
from tests.strangers.hunted import kill_of, subject_of


@pytest.mark.parametrize(("name", "value"), [
    ("pad_idx", 0), ("padding", 0), ("num_steps", 1), ("eps", 0.0), ("leak_rate", 0.0), ("alpha", 0.0), ("alphabet", 1),
    ("device", "cpu"), ("src_vocab_size", 11), ("rounds", 1), ("dropout_p", 0.0), ("rnn_type", "GRU"),
])  # fmt: skip
def test_a_value_is_what_the_name_says(name, value):
    given = value_for(Parameter(name, Parameter.KEYWORD_ONLY))
    assert (given, type(given)) == (value, type(value))


def test_kinds_are_tried_only_where_one_is_asked_for():
    """Each is a way to build the layer, in which all calls are tried."""
    assert len([*asked_for(lambda options: nn.GRU(options.input_size, options.hidden_size))]) == 1
    assert len([*asked_for(lambda options: getattr(nn, options.cell_type.upper())(options.input_size, options.hidden_size))]) > 1


class AskedInBothForms(nn.Module):
    """An object of options that has its options as attributes and under keys."""

    def __init__(self, hparams):
        super().__init__()
        self.rnn = nn.GRU(hparams["input_size"], hparams.hidden_size)

    def forward(self, x, h=None):
        return self.rnn(self.seen(x), h)

    def seen(self, x):
        return x


class AskedInBothFormsOfAll(AskedInBothForms):
    """Rows are mixed."""

    def seen(self, x):
        return x - x.mean(1, keepdim=True)


def test_an_object_that_is_asked_in_two_forms_is_given():
    assert kill_of(subject_of(AskedInBothForms), cases=4) is None
    assert kill_of(subject_of(AskedInBothFormsOfAll), cases=8) is not None


class NormsIfAsked(nn.Module):
    """Whether it normalises is asked in each call alone."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.rnn, self.norm = nn.GRU(cfg.input_size, cfg.hidden_size), nn.LayerNorm(cfg.hidden_size)

    def forward(self, x, h=None):
        output, h = self.rnn(x, h)
        return (self.norm(output) if self.cfg.use_norm else output), h


def test_a_flag_that_leaves_parameters_unused_is_on():
    assert "use_norm other than True" in subject_of(NormsIfAsked).not_looked_at
    assert kill_of(subject_of(NormsIfAsked), cases=4) is None


def test_an_option_that_is_no_size_keeps_its_default():
    asked = Asked(7, "GRU", 4)
    assert asked.get("slope", 0.3) == 0.3 and asked.get("slope") == 1.0
    assert asked.get("hidden_size", 9) == 7 and asked.get("input_size", 9) == 4
    assert "hidden_size" in asked.keys() and "slope" not in asked.keys()  # noqa: SIM118  as a constructor may ask


def test_what_is_known_to_be_taken_is_answered():
    assert Asked(7, "GRU", 4, {"slope": "steep"}).get("slope", 0.3) == "steep"


class OfOneSize(nn.Module):
    """An object of options with one size, of the input and of the state."""

    def __init__(self, hparams):
        super().__init__()
        self.rnn = nn.GRU(hparams.d_model, hparams.d_model)

    def forward(self, x, h=None):
        return self.rnn(x, h)


class OfOneSizeFromZeros(OfOneSize):
    """The state that is given has no effect."""

    def forward(self, x, h=None):
        return self.rnn(x, h if h is None else 0 * h)


def test_an_object_may_have_one_size_for_both():
    assert kill_of(subject_of(OfOneSize), cases=4) is None
    assert kill_of(subject_of(OfOneSizeFromZeros), cases=8) is not None
