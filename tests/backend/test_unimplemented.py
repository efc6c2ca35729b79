"""What torch's own kernels do not implement on this processor is no defect, and nothing becomes green by it."""

import pytest
import torch
from torch import nn

from rnncheck import verify
from rnncheck.adapters.probing.kernel_calls import lacking_kernels
from rnncheck.adapters.targets.known_deviations import known_deviations
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.adapters.torch_layers import torch_like, torch_nn
from rnncheck.backend.unimplemented import is_unimplemented
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.observation import identical
from rnncheck.core.property import Property, anywhere
from rnncheck.judging.judge import judge
from rnncheck.running.trial import Trial
from tests.adapters.support import claimed

CASE = Case(Config("GRU", 3, 4), 4, 2)
ONEDNN = "could not create a primitive descriptor for the LSTM forward propagation primitive. Run workload with ..."


def lacking():
    """A kernel that torch has for float16 on no CPU."""
    with torch.autocast("cpu", enabled=False):
        torch.cholesky_inverse(torch.eye(2, dtype=torch.float16))


def raised(action):
    try:
        action()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def written(error):
    def action():
        raise error

    return raised(action)


def again():
    try:
        lacking()
    except RuntimeError:
        raise


def told_anew():
    try:
        lacking()
    except RuntimeError as error:
        raise RuntimeError(f"my layer: {error}") from error


class Own(NotImplementedError):
    """A class of somebody else's."""


@pytest.mark.parametrize("action", [lacking, again])
def test_a_kernel_of_torchs_says_so(action):
    assert "not implemented for 'Half'" in str(raised(action))
    assert is_unimplemented(raised(action))


def test_complex_numbers_in_half_precision_lack_kernels_too():
    z = torch.ones(2, dtype=torch.complex32)
    assert is_unimplemented(raised(lambda: z.sum()))
    assert identical("z", z, z.clone()).holds and not identical("z", z, z.conj() * 1j).holds


@pytest.mark.parametrize(
    "error",
    [
        written(NotImplementedError("not yet")),
        written(NotImplementedError("\"mine\" not implemented for 'Half'")),
        written(RuntimeError(ONEDNN)),
        written(Own(ONEDNN)),
        raised(told_anew),
        raised(lambda: torch.cholesky_inverse(torch.eye(2, dtype=torch.int64))),
        raised(lambda: torch.zeros(2) @ torch.zeros(3)),
        RuntimeError(ONEDNN),
    ],
    ids=["own", "own words of a kernel", "own words of oneDNN", "own class", "told anew", "integers", "shapes", "never raised"],
)
def test_what_somebody_else_says_is_a_defect(error):
    assert not is_unimplemented(error)


class Deep(nn.GRU):
    """Needs with two layers what no processor has."""

    def forward(self, input, hx=None):
        if self.num_layers == 2:
            lacking()
        return super().forward(input, hx)


DEEP = torch_like(Deep, ("GRU",), "Deep")


def test_in_the_middle_of_a_run_it_is_not_claimed():
    outcome = judge(CATALOG["agree.forward"], Trial(DEEP, CASE.but(num_layers=2)))
    assert (outcome.status, outcome.elsewhere) == ("not_claimed", True)
    assert outcome.reason == (
        "torch has no kernel for this on this processor: \"cholesky_inverse_out_cpu\" not implemented for 'Half'"
    )
    assert judge(CATALOG["agree.forward"], Trial(DEEP, CASE)).status == "holds"


def test_what_holds_on_the_other_cases_says_so():
    report = verify(DEEP, properties="agree.forward", engine="inline", max_examples=40)
    ((_, verdict),) = report.verdicts()
    assert (verdict.verdict, report.exit_code) == ("holds", 0)
    assert verdict.reason.startswith("torch has no kernel for this on this processor")


def test_what_is_refused_on_every_case_is_not_green():
    class Never(nn.GRU):
        def forward(self, input, hx=None):
            lacking()

    report = verify(torch_like(Never, ("GRU",), "Never"), properties="time.split", engine="inline", max_examples=8)
    ((_, verdict),) = report.verdicts()
    assert (verdict.verdict, verdict.cases, report.exit_code) == ("not_claimed", 0, 3)


def test_a_subjects_own_words_are_its_error():
    class Own(nn.GRU):
        def forward(self, input, hx=None):
            raise NotImplementedError("\"mine\" not implemented for 'Half'")

    assert judge(CATALOG["agree.forward"], Trial(torch_like(Own, ("GRU",), "Own"), CASE)).status == "errored"


def test_a_refusal_that_was_not_asked_for_shows_nothing():
    """Second derivatives that are not offered are to be refused by the layer, and not for lack of a kernel."""

    class Never(nn.GRU):
        def forward(self, input, hx=None):
            lacking()

    subject = torch_like(Never, ("GRU",), "Never", without=("second",))
    assert judge(CATALOG["gradient.second_refused"], Trial(subject, CASE.but(training=True))).status == "not_claimed"


def test_what_our_own_check_needs_is_no_mistake_of_ours():
    outcome = judge(Property("own.half", "", "", "", "invariant", anywhere, lambda trial: lacking()), Trial(DEEP, CASE))
    assert outcome.status == "not_claimed"


# claims ---------------------------------------------------------------------------------------------------------------


class Inference(nn.Module):
    """A GRU around which a kernel is needed in one situation alone."""

    def __init__(self, input_size, hidden_size, num_layers=1):
        super().__init__()
        self.inner = nn.GRU(input_size, hidden_size, num_layers)

    def needs(self, input):
        return False

    def forward(self, input, hx=None):
        if self.needs(input):
            lacking()
        return self.inner(input, hx)


class LacksGradientsUnderAutocast(Inference):
    def needs(self, input):
        return torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")


class LacksHalfInput(Inference):
    def needs(self, input):
        return getattr(input, "dtype", None) == torch.float16 and torch.is_autocast_enabled("cpu")


class LacksPackedInBfloat16(Inference):
    def needs(self, input):
        return isinstance(input, nn.utils.rnn.PackedSequence) and input.data.dtype == torch.bfloat16


class LacksTwoLayersInHalf(Inference):
    def needs(self, input):
        return self.inner.num_layers == 2 and input[0].dtype == torch.float16


class FailsInTraining(Inference):
    """A defect of its own, which is for the catalog to find."""

    def forward(self, input, hx=None):
        if torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
            raise NotImplementedError("not yet")
        return super().forward(input, hx)


LOW = {"autocast", "autocast_half", "bfloat16", "float16"}


@pytest.mark.parametrize(
    ("target", "lacks"),
    [
        (Inference, set()),
        (FailsInTraining, set()),
        (LacksGradientsUnderAutocast, {"autocast", "autocast_half"}),
        (LacksHalfInput, {"autocast_half"}),
        (LacksPackedInBfloat16, {"bfloat16", "autocast"}),
        (LacksTwoLayersInHalf, {"float16", "autocast_half"}),
    ],
)
def test_a_claim_is_probed_by_what_its_properties_do(target, lacks):
    found = claimed(target, dear=True)
    assert {feature for feature in LOW if not found.offers(feature)} == lacks
    assert all("torch has no kernel for this on this processor" in found.claims[feature].why for feature in lacks)


def test_torchs_layers_and_their_subclasses_claim_what_this_processor_has():
    for mode in ("RNN_TANH", "GRU", "LSTM"):
        subject = torch_nn(mode)
        found = lacking_kernels(subject, Case(Config(mode, 3, 4), 3, 2))
        assert {feature for feature in LOW if not subject.offers(feature)} == set(found)

    class Sub(nn.LSTM):
        pass

    assert torch_like(Sub, ("LSTM",), "Sub").claims == torch_nn("LSTM").claims


def test_what_onednn_does_is_not_replayed_where_there_is_none(monkeypatch):
    def stored():
        found = known_deviations(subjects(nn.LSTM))
        return next(deviation.case for deviation in found if deviation.property == "gradient.forward_mode")

    monkeypatch.setattr("rnncheck.adapters.targets.known_deviations.SEEN_WITH", torch.__version__)
    assert stored() is not None
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert stored() is None
