"""shape.*: what each property catches, and what it lets through."""

import inspect
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

import rnncheck
from rnncheck.catalog import CATALOG
from rnncheck.catalog.shape import form
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import killed, subject_of
from tests.effort import only_nightly
from tests.mutants import MUTANTS
from tests.strangers import hunted

KILLS = {
    "shape.output": "bf-output-not-transposed",
    "shape.state": "own-states-batch-first",
    "shape.dtype_device": "stateful-mixed-precision",
    "shape.autocast": "own-autocast-states-float32",
    "shape.parameters": "own-extra-buffer",
    "shape.meta": "own-default-state-on-cpu",
}
RAISES = {"shape.meta"}


@pytest.mark.parametrize("mutant", ["own-packed-output-enforce-sorted", "packed-meta-from-max-length"])
def test_a_packed_output_has_the_form_of_its_input(mutant):
    assert killed(CATALOG["shape.output"], subject_of(MUTANTS[mutant])) is not None


@pytest.mark.parametrize("mutant", ["stack-input-size-ignores-directions", "last-layer-size-off", "config-values-permuted",
                                    "own-zero-biases-without-bias"])  # fmt: skip
def test_wrong_parameters_fail_with_their_shapes(mutant):
    _, outcome = killed(CATALOG["shape.parameters"], subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails"
    assert "weight_ih_l0" in outcome.mismatches[0]


class OneStateOfTwo(torch.nn.Module):
    """Parameters of torch's LSTM, of whose two states one comes back, and equations of its own."""

    def __init__(self, n_features, n_hidden):
        super().__init__()
        self.cell = torch.nn.LSTMCell(n_features, n_hidden)

    def forward(self, window):
        state, outputs = None, []
        for observation in window:
            state = self.cell(observation.sin(), state)
            outputs.append(state[0])
        return torch.stack(outputs), state[0]


def test_a_layer_of_unknown_equations_is_given_no_weights_of_torchs_shapes():
    subject = hunted.subject_of(OneStateOfTwo)
    subject = replace(subject, claims={**subject.claims, "meta": Claim(True, "declared")})
    assert not subject.offers("load")
    trial = Trial(subject, Case(Config("RNN_RELU", 5, 3), 4, 4, dtype="float64", training=True))
    assert judge(CATALOG["shape.meta"], trial).status == "holds"


def test_the_form_of_a_tensor_is_its_shape():
    assert form(torch.zeros(2, 3)) == {"type": "Tensor", "shape": (2, 3)}
    assert form(torch.zeros(2, 3), features=5) == {"type": "Tensor", "shape": (2, 5)}
    assert form([]) == {"type": "list"}


def test_the_form_of_a_packed_sequence_has_its_order():
    packed = pack_padded_sequence(torch.zeros(3, 2, 4), torch.tensor([1, 3]), enforce_sorted=False)
    assert form(packed, features=6) == {
        "type": "PackedSequence", "data": {"type": "Tensor", "shape": (4, 6)}, "batch_sizes": [2, 1, 1],
        "sorted_indices": [1, 0], "unsorted_indices": [1, 0],
    }  # fmt: skip


Sequence, State = Float[Tensor, "batch time units"], Float[Tensor, "batch units"]


def fine_state(x: Sequence, h: State | None = None) -> tuple[Sequence, State]:
    """Its state is float32 beside inputs of 16 bits."""
    finer = torch.float64 if x.dtype == torch.float64 else torch.float32
    h, outputs = x.new_zeros(x[:, 0].shape, dtype=finer) if h is None else h.to(finer), []
    for t in range(x.shape[1]):
        h = 0.5 * h + x[:, t]
        outputs.append(h.to(x.dtype))
    return torch.stack(outputs, 1), h


def fine_output(x: Sequence, h: State | None = None) -> tuple[Sequence, State]:
    """Its output is float32 as well."""
    output, h = fine_state(x, h)
    return output.to(h.dtype), h


def coarse_state(x: Sequence, h: State | None = None) -> tuple[Sequence, State]:
    """Its state is float32 beside float64, too."""
    output, h = fine_state(x, h)
    return output, h.float()


@pytest.mark.parametrize(("target", "exit_code"), [(fine_state, 0), (fine_output, 1), (coarse_state, 1)])
def test_the_state_of_a_typed_recurrence_may_be_finer_than_16_bits_and_no_coarser_than_its_input(target, exit_code):
    report = rnncheck.verify(target, properties="shape.dtype_device", engine="inline", max_examples=20)
    assert report.exit_code == exit_code


class OnlyOutput(torch.nn.Module):
    """A GRU that returns no state, and float64 under autocast."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = torch.nn.GRU(input_size, hidden_size)

    def forward(self, x):
        output = self.rnn(x)[0]
        return output.double() if torch.is_autocast_enabled("cpu") else output


@only_nightly
def test_the_script_of_a_layer_without_states_fails_as_the_property_does(tmp_path):
    (tmp_path / "only.py").write_text(f"import torch\n\n\n{inspect.getsource(OnlyOutput)}")
    options = {"properties": "shape.autocast", "engine": "inline", "strict": True, "repro": tmp_path / "scripts"}
    report = rnncheck.verify(f"{tmp_path}/only.py:OnlyOutput", **options, max_examples=4)
    ((_, verdict),) = report.failures
    assert verdict.reason is None
