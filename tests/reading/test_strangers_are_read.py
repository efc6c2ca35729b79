"""Layers that people write by hand are read as they are: which axis is time, what the state is, how parameters are arranged."""

import pytest
import torch

from rnncheck.reading.target import read_target
from tests.reading import refused
from tests.strangers.hunted import kill_of, subject_of
from tests.strangers.table import STRANGERS

REFUSED = {
    "OneSequence": "a single sequence, without rows",
    "PackedInPackedOut": "packed features in, packed features out",
    "TutorialTagger": "one sequence at a time, whatever its rows",
    "lstm": "a pure function", "gru_scan": "a pure function",
}  # fmt: skip
"""What is not read yet, and why: a wrapper is needed."""
KNOWN_BY_TYPE = ("CountingLSTM", "LazyGRU")
"""Subclasses of torch's layers whose call is torch's own."""
OTHERWISE = {
    "TorchNamedLSTM": "batch_first is an option", "StackedState": "h and c in one tensor", "BackwardRNN": "read in reverse",
    "KerasStyleOptions": "in the direction that it has unless told", "SummedLSTM": "the states of both directions are parts",
    "BiCellLSTM": "a state for each direction, none goes in",
}  # fmt: skip
"""What is read as it can be judged, in other words than those of the table."""
READ = [s for s in STRANGERS if s.name not in REFUSED and s.name not in (*KNOWN_BY_TYPE, *OTHERWISE)]


@pytest.mark.parametrize("stranger", READ, ids=lambda s: s.name)
def test_a_right_layer_is_read_as_it_is(stranger):
    reading, said = read_target(stranger.layer), stranger.reads
    assert reading is not None
    how = reading.called
    cell = said["kind"] == "cell"
    assert (reading.kind == "cell") == cell or how["reset"]
    if not cell and said["layout"] != "batch_first in, time_first out":
        assert how["batch_first"] == (said["layout"] != "time_first")
        assert (how["input"] == "channels first") == (said["layout"] == "channels_first")
    assert reading.pair == (len(said["states"]) == 2) or not reading.parts
    assert reading.directions == said["directions"]


@pytest.mark.parametrize(("name", "gates"), [
    ("CatLSTM", "ifog"), ("BlogLSTM", "figo"), ("NaiveLSTM", "ifgo"), ("X2HLSTM", "ifog"), ("KerasGRU", "zrn"),
    ("KerasLSTM", "ifgo"),
    ("LeakyGRU", "zrn"), ("CellFirstLSTM", "igfo"), ("StateFirstGRU", "zrn"), ("OneMatrixCell", "ifog"), ("TracedLSTM", "fiog"),
])  # fmt: skip
def test_parameters_are_mapped_by_the_numbers_that_come_out(name, gates):
    (stranger,) = (s for s in STRANGERS if s.name == name)
    found = read_target(stranger.layer).arrangement
    assert found.exact
    if name not in ("LeakyGRU", "BlogLSTM"):  # gates that may be exchanged stand in the order that is tried first
        assert found.gates == gates


def test_a_wrong_activation_is_no_arrangement():
    wrong = [m.layer for s in STRANGERS for m in s.mistakes if m.says == "wrong activation" and s.reads["family"] == "LSTM"]
    assert wrong
    assert all((read_target(layer).arrangement or None) is None for layer in wrong)


def test_with_a_reference_the_nearest_arrangement_is_taken_so_that_the_difference_is_red():
    (stranger,) = (s for s in STRANGERS if s.name == "BlogLSTM")
    wrong = next(m.layer for m in stranger.mistakes if m.says == "wrong activation")
    found = read_target(wrong, reference=("LSTM",)).arrangement
    assert found is not None
    assert not found.exact


@pytest.mark.parametrize("layer", refused.READ, ids=lambda layer: layer.__name__)
def test_what_must_be_given_beside_the_input_is_filled_and_said(layer):
    assert refused.READ[layer] in read_target(layer).words()


class Scripted(torch.jit.ScriptModule):
    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.weight_ih = torch.nn.Parameter(torch.randn(hidden_size, input_size))
        self.weight_hh = torch.nn.Parameter(torch.randn(hidden_size, hidden_size))

    @torch.jit.script_method
    def forward(self, input: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = torch.jit.annotate(list[torch.Tensor], [])
        for x in input.unbind(0):
            state = torch.tanh(x @ self.weight_ih.t() + state @ self.weight_hh.t())
            outputs += [state]
        return torch.stack(outputs), state


MISTAKEN = ("ModelDimGRU1", "StackedState1")
"""Whose states do not go on, as no layer's should: read by the future of their input, or exchanged."""


@pytest.mark.parametrize("name", MISTAKEN)
def test_a_layer_of_sequences_is_no_step_though_its_state_does_not_go_on(name):
    layer = next(mistake.layer for stranger in STRANGERS for mistake in stranger.mistakes if mistake.layer.__name__ == name)
    reading = read_target(layer)
    assert (reading.kind, reading.called["input"], reading.unread) == ("layer", "sequence", ())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torchscript_compiled_is_read_and_judged():
    subject = subject_of(Scripted)
    assert "(time, batch, features), state h" in subject.read_as
    assert kill_of(subject, cases=2) is None
