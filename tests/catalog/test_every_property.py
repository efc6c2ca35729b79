"""What every property has to let through: torch's layers, and correct ones that round or compute otherwise.

One test a layer, not one a property: the run of a case, its truth and what is allowed on it serve all properties.
"""

import pytest
from torch import nn

from rnncheck.adapters.targets.known_deviations import KNOWN, known_deviations
from rnncheck.catalog import CATALOG, select
from rnncheck.core.config import MODES
from rnncheck.core.deviation import Deviation
from rnncheck.judging.judge import out_of_claim
from tests.catalog.support import TORCH, judged, killed, planned, subject_of
from tests.effort import at_night, some
from tests.mutants.controls.correct import CORRECT

IN_TESTS_OF_THEIR_OWN = {
    "agree.against", "agree.captured", "agree.compiled", "agree.device", "agree.exported", "agree.forms", "agree.onnx",
    "agree.scripted", "argument.causal", "argument.resets", "argument.rows", "argument.steps", "argument.used",
    "batch.beside", "batch.cliffs", "batch.invariant",
    "batch.many", "cache.copied", "cache.cropped", "cache.fresh", "cache.gradient", "cache.pieces", "cache.prefill",
    "cache.reordered", "cache.reset", "cache.steps", "gradient.repeatable", "gradient.second_refused", "lengths.beside",
    "lengths.inert", "lengths.module", "lengths.zero",
    "mode.dropout_of_one_layer", "numeric.bounds", "numeric.many_steps",
    "state.cut", "state.forgets", "state.kept", "time.in_pieces", "time.reset",
    "direction.turned", "weights.blocks", "weights.scattered",
}  # fmt: skip
"""They need a reference, a device, a compiler, large sizes, a claim, further arguments, a cache or a refusal."""
LAYERS = sorted({prop.id for prop in CATALOG.values() if prop.about == "layer"} - IN_TESTS_OF_THEIR_OWN)
HARMFUL = {"reject.packed_input_size", "reject.packed_dtype"}
"""Not to be tried on torch.nn.LSTM: its kernel may read past the end of the input (pytorch/pytorch#195803, #173946)."""
SLOW = ("numeric.finite", "numeric.finite_gradient")
FORWARD_MODE = "Trying to use forward AD with mkldnn_rnn_layer"
"""What oneDNN's LSTM raises where it differentiates forward, in whichever property."""


def judge_all(ids, subject, count, known):
    """(what is red without being known, what holds somewhere), over the first ``count`` cases of each property."""
    seen = list(judged({id: min(count, 2) if id in SLOW else count for id in ids}, subject))
    red = [
        f"{outcome.property}, {case}: {outcome.mismatches or outcome.reason}" for case, outcome in seen
        if outcome.red and not any(said.property == outcome.property and said.covers(case) for said in known)
    ]  # fmt: skip
    return red, {outcome.property for _, outcome in seen if outcome.status == "holds"}


@pytest.mark.parametrize("mode", some(MODES, 2))
def test_torch_is_clean_and_something_is_checked(mode):
    subject = TORCH[mode]
    known = known_deviations([subject])
    red, holding = judge_all(harmless(LAYERS, nn.LSTM if mode == "LSTM" else None), subject, at_night(5, 2), known)
    assert [line for line in red if FORWARD_MODE not in line] == []
    assert spoken_of(subject) - holding <= {deviation.property for deviation in known}


def harmless(ids, target):
    """These properties, without those that may end the process where torch's LSTM computes."""
    return sorted(set(ids) - (HARMFUL if target is not None and issubclass(target, nn.LSTM) else set()))


def spoken_of(subject):
    """The properties that say something of the first planned cases."""
    cases = list(planned(subject, within=60))
    return {id for id in LAYERS if any(out_of_claim(CATALOG[id], subject, case) is None for case in cases)}


def test_every_property_says_something_of_one_of_torchs_layers():
    assert set().union(*(spoken_of(TORCH[mode]) for mode in MODES)) == set(LAYERS)


FAMILIES = "shape.*,reject.*,state.*,gate.*,time.*,direction.*,layer.*,batch.*,lengths.*,graph.*,life.*,mode.*,numeric.*"
OF_ALL = {prop.id for prop in select(f"{FAMILIES},agree.vmap,gradient.forward_mode")} & set(LAYERS) - set(SLOW)
"""What every correct variant is judged by."""
MORE = {
    "lstm": "agree.*,layout.*,weights.*", "gru-by-hand": "agree.*,layout.*,weights.*",
    "rnn": "gradient.*", "lstm-by-hand": "gradient.*",
}  # fmt: skip
"""What is judged on some of them only."""
VARIANTS = [name for name, variant in CORRECT.items() if variant.kind == "layer"]
DECLARED = {
    "loop-over-lstm-cell": [
        Deviation("agree.vmap", "vmap has no batching rule for aten::lstm_cell", issue="pytorch/pytorch#134606"),
    ],
    "scripted-step": [
        Deviation("gradient.forward_mode", "TorchScript's optimised graph loses the tangent of an input that requires_grad"),
    ],
}  # fmt: skip
"""What torch does wrong inside a correct variant: it answers for it, but it is not its own."""


def declared(name):
    """What is declared of a variant, and what is known of the layer of torch's that it is derived from."""
    inherited = [
        known.deviation for known in KNOWN
        if issubclass(CORRECT[name].target, nn.LSTM) and known.of is nn.LSTM and known.deviation.property.startswith("reject.")
    ]  # fmt: skip
    return [*DECLARED.get(name, []), *inherited]


@pytest.mark.parametrize("name", some(VARIANTS, 12))
def test_a_correct_variant_is_clean(name):
    more = {prop.id for prop in select(MORE[name])} & set(LAYERS) if name in MORE else set()
    ids = harmless(OF_ALL | more, CORRECT[name].target)
    red, holding = judge_all(ids, subject_of(CORRECT[name]), at_night(3, 1), declared(name))
    assert red == []
    assert len(holding) > 40


SHOWN = {"loop-over-lstm-cell": "agree.vmap", "logging-subclass": "reject.hx_dtype"}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_declared_is_seen(name):
    case, outcome = killed(CATALOG[SHOWN[name]], subject_of(CORRECT[name]))
    assert any(said.property == outcome.property and said.covers(case) for said in declared(name))
