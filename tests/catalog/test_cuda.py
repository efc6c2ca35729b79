"""What only CUDA can show, shown by stand-ins on the CPU: a traced call for a captured one, small limits for large ones."""

from dataclasses import replace

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from rnncheck.catalog import CATALOG, numeric
from rnncheck.catalog.tools import cuda_graphs
from rnncheck.core.config import MODES
from rnncheck.core.property import Condition
from rnncheck.running.trial import Trial
from tests.catalog.support import TORCH, complaints, killed, planned, subject_of
from tests.mutants import EXTRA
from tests.mutants.controls.correct import CORRECT
from tests.mutants.planted.sizes import StepsLimited

KILLS = {
    "agree.captured": "own-projection-kept-for-the-same-tensor",
    "numeric.many_steps": "own-steps-limited",
}
KILLS_ANYWHERE = {
    "weights.scattered": "own-weights-assumed-contiguous",
    "batch.many": "own-sequences-counted-in-16-bits",
}
LIMIT = 800


def by_tracing(call, given):
    """As cuda_graphs.on_cuda does it, on the CPU: some calls, then one whose operations are kept, without its Python."""
    for _ in range(cuda_graphs.WARM_UP):
        call(*given)
    return make_fx(call)(*given)


@pytest.fixture
def stand_in(monkeypatch):
    """The properties of CUDA as they would apply, and do their work, on the CPU."""
    monkeypatch.setattr(cuda_graphs, "CAPTURES", {"cpu": by_tracing})
    monkeypatch.setattr(numeric, "STEPS", (LIMIT, LIMIT + 1))
    monkeypatch.setattr(numeric, "SETTLED", 300)
    monkeypatch.setattr(StepsLimited, "limit", LIMIT)

    def property(id):
        prop = CATALOG[id]
        anywhere = Condition("here", lambda case: prop.applies(case.but(device="cuda")))
        return replace(prop, applies=anywhere)

    return property


@pytest.mark.parametrize("prop", KILLS)
def test_a_mutant_is_killed(prop, stand_in):
    case, outcome = killed(stand_in(prop), subject_of(EXTRA[KILLS[prop]]), 5)
    assert outcome.status == "fails", case


def test_a_call_that_waits_for_the_device_cannot_be_captured(stand_in):
    _, outcome = killed(stand_in("agree.captured"), subject_of(EXTRA["own-synchronizes"]), 5)
    assert outcome.status == "errored"
    assert "while capturing a call" in outcome.reason


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean(prop, mode, stand_in):
    assert complaints(stand_in(prop), TORCH[mode], 4) == []


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("prop", KILLS)
def test_correct_variants_are_clean(prop, name, stand_in):
    assert complaints(stand_in(prop), subject_of(CORRECT[name]), 3) == []


@pytest.mark.parametrize("prop", KILLS)
def test_elsewhere_they_do_not_apply(prop):
    cases = [case for case in planned(TORCH["GRU"]) if CATALOG[prop].applies(case.but(device="cuda:1"))]
    assert cases
    assert not any(CATALOG[prop].applies(case) for case in cases)


@pytest.mark.parametrize("prop", KILLS_ANYWHERE)
def test_a_mutant_is_killed_on_any_device(prop):
    case, outcome = killed(CATALOG[prop], subject_of(EXTRA[KILLS_ANYWHERE[prop]]), 5)
    assert outcome.status == "fails", case


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prop", KILLS_ANYWHERE)
def test_torch_is_clean_on_any_device(prop, mode):
    assert complaints(CATALOG[prop], TORCH[mode], 10 if prop == "weights.scattered" else 2) == []


@pytest.mark.parametrize("name", ["lstm-by-hand", "gru", "rnn"])
@pytest.mark.parametrize("prop", KILLS_ANYWHERE)
def test_correct_variants_are_clean_on_any_device(prop, name):
    assert complaints(CATALOG[prop], subject_of(CORRECT[name]), 6 if prop == "weights.scattered" else 1) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
@pytest.mark.parametrize("prop", KILLS)
def test_torch_is_clean_on_cuda(prop):
    from rnncheck.judging.judge import judge

    case = next(case.but(device="cuda") for case in planned(TORCH["GRU"]) if CATALOG[prop].applies(case.but(device="cuda")))
    assert judge(CATALOG[prop], Trial(TORCH["GRU"], case)).status == "holds"
