"""shape.*: what each property catches, and what it lets through."""

from dataclasses import replace

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from rnncheck.catalog import CATALOG
from rnncheck.catalog.shape import form
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.catalog.support import killed, subject_of
from tests.mutants import MUTANTS
from tests.mutants.planted.long_sequences import EXTRA
from tests.strangers import hunted
from tests.strangers.outputs_only import LastStateOnly

KILLS = {
    "shape.output": "bf-output-not-transposed",
    "shape.state": "own-states-batch-first",
    "shape.dtype_device": "stateful-mixed-precision",
    "shape.autocast": "own-autocast-states-float32",
    "shape.parameters": "own-extra-buffer",
    "shape.meta": "own-default-state-on-cpu",
}
STATUS = {"shape.meta": "errored"}


@pytest.mark.parametrize(("prop", "mutant"), KILLS.items())
def test_a_mutant_is_killed(prop, mutant):
    case, outcome = killed(CATALOG[prop], subject_of({**MUTANTS, **EXTRA}[mutant]))
    assert outcome.status == STATUS.get(prop, "fails"), case


@pytest.mark.parametrize("mutant", ["own-packed-output-enforce-sorted", "packed-meta-from-max-length"])
def test_a_packed_output_has_the_form_of_its_input(mutant):
    assert killed(CATALOG["shape.output"], subject_of(MUTANTS[mutant])) is not None


@pytest.mark.parametrize("mutant", ["stack-input-size-ignores-directions", "last-layer-size-off", "config-values-permuted",
                                    "own-zero-biases-without-bias"])  # fmt: skip
def test_wrong_parameters_fail_with_their_shapes(mutant):
    _, outcome = killed(CATALOG["shape.parameters"], subject_of(MUTANTS[mutant]))
    assert outcome.status == "fails"
    assert "weight_ih_l0" in outcome.mismatches[0]


def test_a_layer_of_unknown_equations_is_given_no_weights_of_torchs_shapes():
    subject = hunted.subject_of(LastStateOnly)
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
