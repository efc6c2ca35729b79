"""Properties that a user declares: they are judged, shrunk, told and replayed like those of the catalog."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import rnncheck
from rnncheck.catalog import CATALOG
from rnncheck.engine import WorkerContext
from rnncheck.engine.serialise import pack
from tests.command import rnncheck as rnncheck_command
from tests.command import script
from tests.effort import only_nightly

MINE = '''
import rnncheck
import torch
from torch import nn


class Leaky(nn.GRU):
    """Outputs grow with time where there are three steps or more."""

    def forward(self, x, hx=None):
        output, h = super().forward(x, hx)
        if not isinstance(output, torch.Tensor):
            return output, h
        return output + 2 * (output.shape[int(self.batch_first and output.dim() == 3)] > 2), h


@rnncheck.property("mine.bounded", formula="|y| <= 1", applies=lambda case: case.lengths is None and case.hx == "none")
def bounded(trial):
    """Every output lies in [-1, 1]."""
    return rnncheck.within("output", trial.run.output, -1.0, 1.0, 1e-6, ("time", "batch", "features"))


@rnncheck.property("mine.finite")
def finite(trial):
    """The output is finite where the input is."""
    return bool(trial.run.output.isfinite().all())
'''


@pytest.fixture(autouse=True)
def as_before():
    """What a test declares is gone after it."""
    before = dict(CATALOG)
    yield
    for name in CATALOG.keys() - before.keys():
        del CATALOG[name]


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def verdicts(report):
    return {verdict.property: verdict for verdict in report.subjects[0].verdicts}


@pytest.mark.parametrize("engine", ["inline", "processes"])
def test_they_are_judged_shrunk_and_stored_beside_the_others(mine, engine, tmp_path):
    told = {"max_examples": 40, "engine": engine, "folder": tmp_path / "kept", "jobs": 1}
    found = verdicts(rnncheck.verify(f"{mine}:Leaky", properties="mine.*,shape.output", **told))
    assert {name: verdict.verdict for name, verdict in found.items()} == {
        "shape.output": "holds", "mine.bounded": "fails", "mine.finite": "holds",
    }  # fmt: skip
    failed = found["mine.bounded"]
    assert failed.statement == "Every output lies in [-1, 1]." and "but should be at most 1" in failed.mismatch
    assert failed.case.time == 3 and failed.case.config.hidden_size == 1  # shrunk
    assert json.loads(Path(failed.stored).read_text())["property"] == "mine.bounded"


def test_the_example_of_the_guide_holds_and_can_fail(tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "properties_of_your_own.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1]
    told = {"max_examples": 20, "engine": "inline"}
    for number, (text, verdict) in enumerate(
        ((example, "holds"), (example.replace("h = a * h", "h = 2 * a * h + a * h"), "fails"))
    ):
        (tmp_path / f"mine_{number}.py").write_text(text.replace("mine.forgets", f"mine.forgets_{number}"))
        report = rnncheck.verify(f"{tmp_path}/mine_{number}.py:Decay", properties=f"mine.forgets_{number}", **told)
        assert [found.verdict for found in report.subjects[0].verdicts] == [verdict]


@only_nightly
def test_the_command_line_knows_them(mine):
    told = ("--properties", "mine.*", "--max-examples", "30", "--engine", "inline", "--repro", "scripts")
    done = rnncheck_command(mine.parent, "verify", "mine.py:Leaky", *told)
    assert done.code == 1 and "mine.bounded" in done.out, done.err
    again = rnncheck_command(mine.parent, "replay", ".rnncheck/failing/mine.bounded-Leaky.json")
    assert again.code == 1 and again.out.startswith("mine.bounded does not hold"), again.err
    ended = script(mine.parent, "scripts/mine.bounded-Leaky.py")
    assert ended.code == 1 and "AssertionError" in ended.err
    explained = rnncheck_command(mine.parent, "explain", "mine.bounded", "--properties-from", "mine.py")
    assert "|y| <= 1" in explained.out and "rnncheck.within(" in explained.out
    assert "mine.finite" in rnncheck_command(mine.parent, "list", "--properties-from", "mine.py").out


def test_a_layer_of_elsewhere_is_judged_by_them(mine):
    told = {"max_examples": 60, "engine": "inline", "properties_from": [str(mine)]}
    found = verdicts(rnncheck.verify(nn.GRU, properties="mine.bounded", **told))
    assert found["mine.bounded"].verdict == "holds"
    with pytest.raises(rnncheck.UsageError, match="there is no file none.py"):
        rnncheck.verify(nn.GRU, properties_from=["none.py"])


@only_nightly
def test_a_fresh_process_has_them_too(mine, tmp_path):
    rnncheck.verify(nn.GRU, properties="mine.bounded", max_examples=1, engine="inline", properties_from=[str(mine)])
    context = WorkerContext((), {name: CATALOG[name] for name in ("mine.bounded", "time.split")}, None)
    (tmp_path / "packed").write_bytes(pack(context))
    code = "import pickle; print(pickle.load(open('packed', 'rb')).catalog['mine.bounded'].statement)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "Every output lies in [-1, 1].", done.stderr


def check(trial):
    """It holds."""
    return True


def no_statement(trial):
    return True


def two_arguments(trial, layer):
    """It holds."""


@pytest.mark.parametrize(
    ("id", "options", "function", "says"),
    [
        ("monotone", {}, check, "should be a family, a dot and a name, such as mine.monotone"),
        ("mine.Mono tone", {}, check, "should be a family, a dot and a name"),
        ("time.mine", {}, check, "the family time is rnncheck's own; choose another, as in mine.mine"),
        (check, {}, check, "needs an id: write @rnncheck.property"),
        ("mine.x", {}, no_statement, "mine.x: has no statement; write a docstring"),
        ("mine.x", {}, two_arguments, r"the function is two_arguments\(trial, layer\), but should take one argument"),
        ("mine.x", {}, 7, "mine.x: is a int, but should be a function of a trial"),
        ("mine.x", {"needs": ("hxx",)}, check, "no such feature; did you mean 'hx'"),
        ("mine.x", {"needs": "hx"}, check, "should be a tuple of features"),
    ],
)
def test_a_declaration_that_cannot_be_one_is_one_line(id, options, function, says):
    with pytest.raises(rnncheck.UsageError, match=says) as told:
        rnncheck.property(id, **options)(function)
    assert "\n" not in str(told.value)


def test_an_id_is_taken_once_and_the_same_function_may_come_again():
    assert rnncheck.property("mine.taken")(check) is check
    rnncheck.property("mine.taken")(check)
    with pytest.raises(rnncheck.UsageError, match="'mine.taken' is taken by check in .*; choose another name"):
        rnncheck.property("mine.taken")(other)


def other(trial):
    """Another one."""
    return True


def test_in_a_file_it_names_the_file(tmp_path):
    (tmp_path / "wrong.py").write_text(MINE + "\nrnncheck.property('dotless')(finite)\n")
    done = rnncheck_command(tmp_path, "verify", "wrong.py:Leaky")
    assert done.code == 2 and done.err.count("\n") == 1
    assert done.err.startswith("rnncheck: wrong.py:Leaky: property id = 'dotless', but should be")


def raises(trial):
    """It holds."""
    return trial.run.no_such_thing


def returns_a_number(trial):
    """It holds."""
    return 0.5


@pytest.mark.parametrize(
    ("function", "says"),
    [(raises, "a mistake in mine.x itself: AttributeError"), (returns_a_number, "it returns a float, but should return True")],
)
def test_a_mistake_in_the_property_is_told_as_its_own(function, says):
    rnncheck.property("mine.x")(function)
    verdict = verdicts(rnncheck.verify(nn.GRU, properties="mine.x", max_examples=2, engine="inline"))["mine.x"]
    assert verdict.verdict == "errored" and says in verdict.reason and "a mistake of rnncheck" not in verdict.reason


def never(trial):
    """The output is larger than it is."""
    return (trial.run.output > trial.run.output).any()


def test_false_is_a_failure_and_a_tensor_of_one_bool_is_a_bool():
    rnncheck.property("mine.never")(never)
    rnncheck.property("mine.always")(check)
    report = rnncheck.verify(nn.GRU, properties="mine.never,mine.always", max_examples=2, engine="inline")
    found = verdicts(report)
    assert (found["mine.never"].verdict, found["mine.always"].verdict) == ("fails", "holds")
    assert found["mine.never"].mismatch == "what mine.never returns = False, but should be True"
