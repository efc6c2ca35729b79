"""What a failure of a typed recurrence looks like: small, as calls of the function, and a script that fails alone."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import rnncheck
from rnncheck.adapters.targets.resolve import subjects
from rnncheck.catalog import CATALOG
from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.named import Named, NamedTensor
from rnncheck.core.observation import within
from rnncheck.judging.judge import judge, trial_of
from rnncheck.judging.shrink import shrink
from rnncheck.repro.brief import brief_calls
from rnncheck.repro.script import script
from rnncheck.strategies.cliffs import is_large
from rnncheck.strategies.plan import plan
from tests.adapters.support import claimed
from tests.run_script import raised_by

TARGET = "tests/typed/mistaken.py:state_without_decay"
X = Float[Tensor, "batch time units"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def failure():
    """The smallest case on which a mistake shows, with its subject, property and outcome."""
    subject = claimed(TARGET)
    prop = CATALOG["time.split"]

    def fails(case):
        return judge(prop, trial_of(subject, case)).red

    case = next(case for case in plan(subject, ("float32",), 2, 0) if case.time < 20 and fails(case))
    smallest = shrink(case, fails, 150).case
    return subject, prop, smallest, judge(prop, trial_of(subject, smallest))


def test_axes_and_options_are_made_small(failure):
    _, _, case, _ = failure
    assert dict(case.config.named.sizes) == {"heads": 1, "key": 1, "value": 1}
    assert dict(case.config.named.options) == {"chunk_size": 4}
    assert (case.time, case.batch) == (2, 1)


def test_the_calls_are_those_of_the_function(failure):
    subject, prop, case, _ = failure
    lines = brief_calls(subject, prop, case).splitlines()
    assert lines[0] == "q_1 = torch.ones(1, 1, 1, 1)"
    assert any(line.startswith("result_2 = state_without_decay(q=q_2, k=k_2") for line in lines)
    assert re.fullmatch(r"result_1\[1\]\[0, 0, 0, 0\]  # 2, but result_2\[1\]\[0, 0, 0, 0\] is 1\.83.*", lines[-1])


def test_the_script_fails_alone(failure, tmp_path):
    subject, prop, case, outcome = failure
    file = tmp_path / "script.py"
    file.write_text(script(subject, prop, case, outcome))
    assert "rnncheck.reading" not in file.read_text() and "class Typed" not in file.read_text()
    ended = subprocess.run(
        [sys.executable, str(file)], cwd=ROOT, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 1 and "AssertionError: allowed" in ended.stderr
    assert "initial_state_2 = result_1[1]\n" in file.read_text()  # what the mistake returned would be wrong for a right one too
    assert raised_by(file.read_text().replace("state_without_decay", "chunked")) is None


class Summed(torch.nn.Module):
    """Sums, too large for the bound below."""

    def __init__(self, units: int) -> None:
        super().__init__()

    def forward(self, x: X, more: X) -> X:
        return (x + more).cumsum(1)


class Bounded(Summed):
    """What it should be."""

    def forward(self, x: X, more: X) -> X:
        return super().forward(x, more).tanh()


def summed(x: X, more: X) -> X:
    return (x + more).cumsum(1)


def bounded(x: X, more: X) -> X:
    return summed(x, more).tanh()


def within_one(trial):
    return within("output", trial.run.output, -1.0, 1.0, 1e-3)


@pytest.mark.parametrize(("wrong", "right"), [(summed, bounded), (Summed, Bounded)], ids=["function", "module"])
def test_a_bound_is_one_in_the_script_too(wrong, right):
    prop, subject = replace(CATALOG["shape.output"], check=within_one), claimed(wrong)
    case = next(case for case in plan(subject, ("float32",), 2, 0) if case.time > 2 and judge(prop, trial_of(subject, case)).red)
    text = script(subject, prop, case, judge(prop, trial_of(subject, case)))
    assert re.search(r"assert actual (>=|<=) expected [+-] 0\.001, 'should be at (least|most) -?1\.0'", text), text[-400:]
    assert isinstance(raised_by(text), AssertionError)
    assert raised_by(text.replace(f"{__name__}.{wrong.__name__}", f"{__name__}.{right.__name__}")) is None


def test_a_case_of_another_signature_is_refused(failure):
    subject, _, case, _ = failure
    assert subject.refuses(case) is None
    other = case.but(named=case.config.named.but_options(chunk_size=5))
    assert subject.refuses(other) == "other named tensors or options than it has"
    assert subject.refuses(Case(Config("RNN_RELU", 2, 3), 2, 2)) is not None
    assert subjects("torch.nn.GRU")[0].refuses(case) is not None


def test_a_case_is_read_back_and_without_named_axes_too(failure):
    _, _, case, _ = failure
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
    old = Case(Config("GRU", 2, 3), 4, 2).to_json()
    del old["config"]["named"]
    assert Case.from_json(old) == Case(Config("GRU", 2, 3), 4, 2)


def test_sizes_follow_from_the_axes():
    named = Named(
        (("a", 2), ("b", 3)),
        (NamedTensor("x", "batch time a b"), NamedTensor("y", "batch time")),
        (),
        (NamedTensor("o", "batch time 2*a"),),
    )
    config = Config("RNN_RELU", 1, 1, named=named)
    assert (config.input_size, config.state_size, config.output_size) == (7, 1, 4)
    assert config.resized(a=5).input_size == 16 and str(config) == "a 2, b 3"
    assert not is_large(Case(config.resized(a=20, b=20), 4, 2)) and is_large(Case(config.resized(a=40), 4, 2))


def test_the_page_begins_with_a_function_that_is_clean(tmp_path):
    page = (ROOT / "docs" / "recurrences.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(re.findall(r"```python\n(.*?)```", page, flags=re.S)[0])
    target = f"{tmp_path}/mine.py:leaky_sum"
    report = rnncheck.verify(target, properties="time.split,batch.alone,gradient.split", max_examples=6, engine="inline")
    assert [verdict.verdict for _, verdict in report.verdicts()] == ["holds"] * 3
    (subject,) = subjects(target, typed=target)
    assert f"read as: recurrence of its own, {subject.read_as}" in page and subject.reference is not None
