"""No false alarm: right layers on which a property was red once hold to it, or it is not asked of them."""

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.effort import some
from tests.mutants.search import first_kill

from . import alarms
from .hunted import subject_of
from .other_recurrences import LRU

RED_ONCE = {
    alarms.OptionsOfItsOwn: ("shape.output", "weights.flags", "time.prefill"),
    alarms.SumsOverAxisOne: ("batch.unbatched",),
    alarms.TwoWaysByFlip: ("batch.*", "time.*", "layout.*"),
    alarms.FirstStateInFloat32: ("shape.*", "time.*", "gradient.*"),
    alarms.FirstStateInside: ("shape.*", "time.*", "gradient.*"),
    alarms.SkipRNN: ("gradient.*",),
    alarms.SkipByDetach: ("gradient.*",),
    alarms.Scripted: ("life.*", "layout.no_mutation"),
    alarms.ScriptedSteps: ("layout.no_mutation", "agree.no_grad", "gradient.every_output"),
    alarms.TwoStepsLate: ("gradient.*", "weights.trainable"),
    alarms.scripted_whole: ("weights.*", "layout.no_mutation"),
}
"""The layer, and what was red."""


@pytest.mark.parametrize(("layer", "properties"), some(some(RED_ONCE.items()), 6), ids=lambda value: getattr(value, "__name__", ""))
def test_a_right_layer_is_not_red(layer, properties):
    kill = first_kill(subject_of(layer), 12, properties, strict=False)
    assert kill is None, (kill.prop.id, kill.outcome)


def test_an_output_that_depends_on_the_input_has_a_gradient():
    kill = first_kill(subject_of(alarms.SpikesDetached), 12, ("gradient.every_output",), strict=False)
    assert kill is not None and "does not require grad" in kill.outcome.reason


def test_gradients_that_stop_are_no_estimates():
    assert first_kill(subject_of(alarms.DetachedState), 12, ("gradient.numerical",), strict=False) is not None


@pytest.mark.parametrize(("layer", "red"), [(alarms.Orthogonal, False), (alarms.OrthogonalCut, True)])
def test_rounding_that_grows_faster_than_the_loss_is_allowed_and_a_cut_is_not(layer, red):
    assert (first_kill(subject_of(layer), 12, ("gradient.loss_scale",), strict=False) is not None) == red


def test_a_broken_kernel_of_torchs_offers_no_low_precision():
    subject = claimed(alarms.Orthogonal)
    assert subject.claims["bfloat16"].why == "torch's linalg_matrix_exp makes no finite numbers of finite ones in bfloat16"
    assert subject.offers("float32") and subject.offers("float64")


def test_onnx_is_not_claimed_for_complex_numbers():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    subject = claimed(LRU, dear=True)
    case = next(case for case in plan(subject, ("float32",), 2, 0) if CATALOG["agree.onnx"].applies(case))
    outcome = judge(CATALOG["agree.onnx"], Trial(subject, case))
    assert (outcome.status, outcome.reason) == ("not_claimed", "ONNX Runtime does not compute with complex numbers")


def test_what_onnx_has_no_function_for_is_not_claimed():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    subject = claimed(alarms.Orthogonal, dear=True)
    case = next(case for case in plan(subject, ("float32",), 2, 0) if CATALOG["agree.onnx"].applies(case))
    outcome = judge(CATALOG["agree.onnx"], Trial(subject, case))
    assert (outcome.status, outcome.reason) == ("not_claimed", "torch.onnx has no function for aten.linalg_matrix_exp")
