"""Subjects that end the process, or do not come back, whatever is asked of them: told as crashed or hung, with a case."""

import ctypes
import os
import time
from itertools import islice

import pytest
from torch import nn

import rnncheck
from rnncheck.adapters.factory import Constructor
from rnncheck.adapters.targets.locate import described
from rnncheck.campaign.probing_apart import hoped_for
from rnncheck.catalog import CATALOG, FAMILIES
from rnncheck.core.config import Config
from rnncheck.core.features import CLIP_FEATURES
from rnncheck.core.subject import Claim, Subject
from rnncheck.judging.judge import out_of_claim
from rnncheck.strategies.plan import plan
from tests.effort import some

HOPED = Claim(True, "probed", "its probe did not end")
LAYERS = {("RNN_TANH", "RNN_RELU"): nn.RNN, ("RNN_TANH",): nn.RNN, ("RNN_RELU",): nn.RNN, ("GRU",): nn.GRU, ("LSTM",): nn.LSTM}


def met(subject: Subject, count: int = 60) -> set[str]:
    """The families of which a property can be checked on one of the first cases."""
    cases = list(islice(plan(subject, ("float32", "float64"), 2, 0), count))
    kinds = (prop for prop in CATALOG.values() if prop.about == subject.kind)
    return {prop.family for prop in kinds if any(out_of_claim(prop, subject, case) is None for case in cases)}


@pytest.mark.parametrize("modes", LAYERS, ids="+".join)
def test_each_family_meets_a_layer_of_which_nothing_can_be_called(modes):
    subject = Subject("dead", "layer", Constructor(described(LAYERS[modes])), modes)
    claims = hoped_for(subject, HOPED)
    found = met(Subject("dead", "layer", subject.build, modes, claims))
    assert found == set(FAMILIES) - {"clip", "step", "pair", "cache"}


def test_each_family_meets_an_instance_in_its_own_layout():
    fixed = Config("GRU", 3, 4, num_layers=2, bidirectional=True, batch_first=True)
    bare = Subject("dead", "layer", None, ("GRU",), fixed=fixed)
    found = hoped_for(bare, HOPED)
    assert not found["time_first"].offered and found["reset_after"].offered and not found["reset_before"].offered
    assert met(Subject("dead", "layer", None, ("GRU",), found, fixed)) >= {"shape", "state", "time", "direction", "gradient"}


def test_the_family_of_clip_functions_meets_one():
    assert met(Subject("dead", "clip", None, claims=dict.fromkeys(CLIP_FEATURES, HOPED))) == {"clip"}


def abort():
    os.abort()


def leave():
    os._exit(0)


def sleep():
    time.sleep(1000)


def overflow():
    ctypes.string_at(0)


class DeadGRU(nn.GRU):
    def forward(self, input, hx=None):
        abort()


class DeadFromTheStart(nn.GRU):
    def __init__(self, input_size, hidden_size):
        leave()
        super().__init__(input_size, hidden_size)


class DeadRNNCell(nn.RNNCell):
    def forward(self, input, hx=None):
        leave()


class DeadOfItsOwn(nn.Module):
    rnncheck_mode = "other"

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        overflow()


class NamelessAndDead(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        leave()


def dead_clip(parameters, max_norm, norm_type=2.0):
    leave()


def told(target, properties, **options):
    report = rnncheck.verify(target, properties=properties, max_examples=6, jobs=1, profile="smoke", **{"budget": "90s", **options})
    (verdict,) = report.subjects[0].verdicts
    assert verdict.case is not None and report.exit_code == 1, (verdict, report.stopped)
    return verdict


@pytest.mark.parametrize(
    ("target", "properties", "reason"),
    some(
        [
            (DeadGRU, "time.split", "SIGABRT"),
            (DeadFromTheStart, "shape.output", "exit code 0"),
            (DeadRNNCell, "state.fresh", "exit code 0"),
            (DeadOfItsOwn, "shape.output", "SIGSEGV"),
            (dead_clip, "clip.bound", "exit code 0"),
        ],
        2,
    ),
    ids=lambda value: getattr(value, "__name__", None),
)
def test_it_is_told_as_crashed(target, properties, reason):
    verdict = told(target, properties)
    assert verdict.verdict == "crashed" and reason in verdict.reason, verdict


def test_where_nothing_tells_the_mode_it_is_not_read_and_has_one_cause():
    options = {"max_examples": 6, "jobs": 1, "profile": "smoke", "budget": "90s"}
    properties = "shape.output,shape.dtype_device,weights.flags,reject.input_size"
    (subject,) = rnncheck.verify(NamelessAndDead, properties=properties, **options).subjects
    (cause,) = subject.causes
    assert subject.reading == "not read: no call of it comes back"
    assert cause.headline == "shape.output crashed: the process ended itself with exit code 0"
    assert cause.lead.case.batch == 1, "unbatched input is not claimed, and no smaller case for it"


class HungGRU(nn.GRU):
    def forward(self, input, hx=None):
        sleep()


def hung_clip(parameters, max_norm):
    sleep()


@pytest.mark.parametrize(("target", "properties"), [(HungGRU, "time.split"), (hung_clip, "clip.bound")])
def test_it_is_told_as_hung_within_the_budget(target, properties):
    started = time.monotonic()
    verdict = told(target, properties, budget="10s")
    assert verdict.verdict == "hung" and "in sleep" in verdict.reason, verdict
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(0), GeneratorExit, RecursionError])
def test_a_clip_function_that_raises_what_no_function_should(error):
    def clip(parameters, max_norm):
        raise error

    report = rnncheck.verify(clip, properties="clip.bound", max_examples=3, jobs=1, kind="clip")
    assert report.subjects[0].verdicts[0].verdict == "errored" and report.exit_code == 1
