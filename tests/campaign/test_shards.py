"""``--shard 2/5`` and ``rnncheck merge``: the union of the shards is the report of one run."""

import json

import pytest
import torch
from click.testing import CliRunner
from jsonschema import validate

from rnncheck import UsageError, verify
from rnncheck.campaign.merge import merge
from rnncheck.campaign.options import shard_of
from rnncheck.demo import MISTAKES, written
from rnncheck.faces.cli import cli
from tests.effort import only_nightly, some
from tests.report.test_reports import SCHEMA

PROPERTIES = "shape.output,state.used,time.split,layout.*,gate.one_step,agree.forward,gradient.reference,reject.rank"
SHARDS = 3


def run(target, shard=None, **options):
    told = {"properties": PROPERTIES, "max_examples": 9, "engine": "inline", "seed": 3, "shard": shard, **options}
    return json.loads(json.dumps(verify(target, **told).to_json(), allow_nan=False))


def without_clock(report):
    """The report without times, and without what torch.jit.script says, which is another thing the second time in one process."""
    subjects = [{**subject, "seconds": 0, "claims": {**subject["claims"], "script": None}} for subject in report["subjects"]]
    environment = {name: value for name, value in report["environment"].items() if name != "import"}  # said where it took long
    return {**report, "environment": environment, "subjects": subjects}


def shards_of(target, folder, count=SHARDS, **options):
    files = []
    for i in range(count):
        files.append(folder / f"{i}.json")
        files[-1].write_text(json.dumps(run(target, f"{i + 1}/{count}", **options)))
    return files


class Raises(torch.nn.GRU):
    """Raises one error for two reasons, so that two properties meet it."""

    def forward(self, input, hx=None):
        if self.training and self.bidirectional:
            raise RuntimeError("no training")
        return super().forward(input, hx)


def wrong(name):
    def target(folder):
        return written(MISTAKES[name], folder)[0]

    return target


TARGETS = {
    "green": lambda folder: torch.nn.GRU, "stale": wrong("stale-state"), "gates": wrong("gate-order"),
    "raises": lambda folder: Raises, "deviates": lambda folder: torch.nn.LSTM,
    "clip": lambda folder: torch.nn.utils.clip_grad_norm_,
}  # fmt: skip


@pytest.mark.parametrize("name", some(TARGETS))
def test_the_union_of_the_shards_is_the_report_of_one_run(name, tmp_path):
    target = TARGETS[name](tmp_path)
    options = {"properties": "clip.*", "max_examples": 9} if name == "clip" else {}
    whole, files = run(target, **options), shards_of(target, tmp_path, **options)
    merged = merge(list(reversed(files)))
    assert without_clock(json.loads(json.dumps(merged.to_json()))) == without_clock(whole)
    assert all(subject.seconds > 0 for subject in merged.subjects)


def test_a_shard_checks_its_own_cases_and_its_report_is_valid(tmp_path):
    files = shards_of(torch.nn.GRU, tmp_path)
    reports = [json.loads(file.read_text()) for file in files]
    places = [{check["place"] for check in report["shard"]["subjects"][0]["checks"]} for report in reports]
    assert all(here and all(place % SHARDS == i for place in here) for i, here in enumerate(places))
    for report in reports:
        validate(report, SCHEMA)


def test_what_a_shard_does_not_reach_leaves_nothing_incomplete(tmp_path):
    report = verify(torch.nn.GRU, properties="batch.many", max_examples=4, shard="2/4", engine="inline")
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files[:2], r"2 files, but should be one for each of 3 shards; missing: 3/3"),
        (lambda files: [*files, files[0]], r"given twice: 1/3"),
    ],
)
def test_parts_are_missing_or_come_twice(change, said, tmp_path):
    files = shards_of(torch.nn.GRU, tmp_path, properties="shape.output", max_examples=3)
    with pytest.raises(UsageError, match=said):
        merge(change(files))


def test_parts_of_other_runs_are_refused(tmp_path):
    files = shards_of(torch.nn.GRU, tmp_path, 2, properties="shape.output", max_examples=3)
    files[1].write_text(json.dumps(run(torch.nn.GRU, "2/2", properties="shape.output", max_examples=3, seed=4)))
    with pytest.raises(UsageError, match="not of one run: they differ in seed"):
        merge(files)


def test_a_whole_run_is_no_shard(tmp_path):
    (tmp_path / "whole.json").write_text(json.dumps(run(torch.nn.GRU, properties="shape.output", max_examples=2)))
    with pytest.raises(UsageError, match="is the report of a whole run; make shards with"):
        merge([tmp_path / "whole.json"])


@pytest.mark.parametrize("words", ["0/5", "6/5", "2", "2/5/7", "-1/5", "2/99999"])
def test_a_shard_that_cannot_be_is_refused(words):
    with pytest.raises(UsageError, match="but should be a part and the number of parts, such as 2/5"):
        shard_of(words)


@only_nightly
def test_the_command_line_merges(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = shards_of(wrong("stale-state")(tmp_path), tmp_path, 2, max_examples=6)
    done = CliRunner().invoke(cli, ["merge", *map(str, files), "--json", "merged.json"], standalone_mode=False)
    assert done.return_value == 1 and "FAIL   every step starts from the initial state" in done.output
    validate(json.loads((tmp_path / "merged.json").read_text()), SCHEMA)


def test_the_gate_is_cut_into_shards_and_held_to_its_file_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = 'targets = ["torch.nn.GRU"]\nproperties = ["shape.output"]\nmax_examples = 4\nengine = "inline"\ncoverage = 1.0\n'
    (tmp_path / "gate.toml").write_text(told)
    parts = [["gate", "--config", "gate.toml", "--shard", f"{i}/2", "--json", f"{i}.json"] for i in (1, 2)]
    merged = ["merge", "1.json", "2.json"]
    codes = [
        CliRunner().invoke(cli, words, standalone_mode=False) for words in (*parts, merged, [*merged, "--config", "gate.toml"])
    ]
    assert [done.return_value for done in codes] == [0, 0, 0, 3], [done.output for done in codes]
    assert "but coverage = 1.0 asks for 100%" in " ".join(codes[-1].output.split())
