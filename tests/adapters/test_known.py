"""torch's known deviations: each still occurs on its stored case, and they are nobody else's."""

import warnings
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from rnncheck.adapters.targets.known_deviations import KNOWN, SEEN_WITH, known_deviations
from rnncheck.adapters.targets.resolve import probe, subjects
from rnncheck.backend.devices import is_here
from rnncheck.campaign.probing import probe_all
from rnncheck.campaign.store import case_from_json
from rnncheck.campaign.verify import verify
from rnncheck.catalog import CATALOG
from rnncheck.core.deviation import Deviation
from rnncheck.engine import Job, WorkerContext, make_engine
from rnncheck.older_torch import clips_nothing_in_silence
from tests.effort import some

HERE = [known for known in KNOWN if is_here(known.deviation.case["device"])]
SAYS = {"agree.vmap": "Batching rule not implemented", "gradient.forward_mode": "forward AD with mkldnn_rnn_layer"}
"""What torch must be heard to say, so that nothing else is taken for the deviation."""


@pytest.fixture(scope="module")
def outcomes():
    """Of all stored cases: in workers of their own, because some of them write where they must not."""
    targets = list(dict.fromkeys(known.of for known in KNOWN))
    found = dict(zip(targets, probe_all(subjects(targets), "inline"), strict=True))
    subject_of = [found[known.of] for known in HERE]
    cases = [case_from_json(one.kind, known.deviation.case) for one, known in zip(subject_of, HERE, strict=True)]
    assert all(known.deviation.covers(case) for known, case in zip(HERE, cases, strict=True))
    jobs = [
        Job(i, "judge", i, (case,), ((known.deviation.property,),)) for i, (known, case) in enumerate(zip(HERE, cases, strict=True))
    ]
    engine = make_engine("processes", WorkerContext(subject_of, CATALOG, probe), 1)
    try:
        return {name(HERE[done.job.index]): done.outcomes[0][1] for done in engine.run(jobs)}
    finally:
        engine.close()


def name(known):
    device = known.deviation.case["device"]
    return f"{known.of.__name__}-{known.deviation.property}{'' if device == 'cpu' else f'-{device}'}"


@pytest.mark.parametrize("known", some(KNOWN, 2), ids=name)
def test_the_stored_case_still_shows_it(known, outcomes):
    if known not in HERE:
        pytest.skip(f"there is no device {known.deviation.case['device']} here")
    if not torch.__version__.startswith(SEEN_WITH):
        pytest.skip(f"seen with torch {SEEN_WITH}x, not looked at with {torch.__version__}")
    seen = outcomes[name(known)]
    assert seen.red, f"{known.deviation.property} is {seen.status} on {known.of.__name__}: {seen.reason}"
    assert SAYS.get(known.deviation.property, "") in f"{seen.reason} {seen.mismatches}"


def test_they_are_given_under_the_name_of_their_subject():
    found = known_deviations(subjects(["torch.nn:LSTM", "torch.nn.utils.clip_grad_norm_"]))
    assert {deviation.subject for deviation in found} == {"torch.nn:LSTM", "torch.nn.utils.clip_grad_norm_"}
    assert "agree.vmap" in {deviation.property for deviation in found}


@pytest.mark.parametrize("warned", [True, False])
def test_whether_this_torch_warns_of_an_exhausted_generator_is_tried(monkeypatch, warned):
    def clip(parameters, max_norm):
        if warned:
            warnings.warn("none left", stacklevel=2)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    assert clips_nothing_in_silence() is not warned


def properties(target):
    return {deviation.property for deviation in known_deviations(subjects(target))}


class Named(nn.LSTM):
    """A subclass with a constructor and a method of its own; it computes as torch's does."""

    calls = 0

    def __init__(self, *args, name="", **options):
        super().__init__(*args, **options)
        self.name = name

    def size(self):
        return self.hidden_size


class Checking(nn.LSTM):
    def check_forward_args(self, input, hidden, batch_sizes):
        super().check_forward_args(input, hidden, batch_sizes)


class FromMixin(Checking, Named):
    pass


class OwnWeights(nn.LSTM):
    @property
    def _flat_weights(self):
        return []


def test_an_instance_of_torchs_has_them():
    assert properties(nn.LSTM(2, 3)) == properties(nn.LSTM) != set()


@pytest.mark.parametrize("target", [Named, Checking, FromMixin, OwnWeights, partial(nn.LSTM, batch_first=True)])
def test_a_subclass_or_a_partial_may_deviate_where_torchs_does(target):
    assert properties(target) == properties(nn.LSTM)
    found = known_deviations(subjects(target))
    assert all(said.case is None and not said.sure and said.reason.startswith("like torch.nn.LSTM: ") for said in found)


def test_what_is_to_agree_with_torchs_may_deviate_where_that_does():
    (subject,) = subjects("rnncheck.clip.clip_grad_norm_", "torch.nn.utils.clip_grad_norm_")
    assert properties("rnncheck.clip.clip_grad_norm_") == set()
    assert {said.property for said in known_deviations([subject])} == properties(nn.utils.clip_grad_norm_)


def test_our_own_layers_are_to_do_better_than_torchs():
    assert {said.subject for said in known_deviations(subjects())} == {
        "torch.nn.RNN", "torch.nn.GRU", "torch.nn.LSTM", "torch.nn.utils.clip_grad_norm_",
    }  # fmt: skip


def test_what_a_subclass_inherits_is_no_failure():
    report = verify(Checking, engine="inline", max_examples=12, properties="reject.hx_dtype")
    assert report.exit_code == 0
    ((_, verdict),) = report.verdicts()
    assert (verdict.verdict, verdict.reason) == ("deviates", "like torch.nn.LSTM: the dtype of c_0 is not checked")


def test_on_a_torch_that_was_not_looked_at_the_cases_are_not_replayed(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    found = known_deviations(subjects(nn.LSTM))
    assert found and all(deviation.case is None and not deviation.sure for deviation in found)


def test_on_such_a_torch_a_deviation_that_is_over_is_no_error(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    options = {"engine": "inline", "max_examples": 12}
    report = verify(nn.LSTM, properties="gradient.eval_is_train,time.split", **options)
    assert (report.stale, report.exit_code) == ((), 0)
    own = Deviation("time.split", "it is said to", subject="torch.nn.LSTM")
    assert verify(nn.LSTM, properties="time.split", deviations=[own], **options).stale
    assert not verify(nn.LSTM, properties="time.split", deviations=[replace(own, sure=False)], **options).stale
