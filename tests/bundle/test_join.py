"""Recordings in shards: joined they are the bundle of one run, and a diff of each shard sees its own cases."""

import pytest
import torch

from rnncheck import UsageError
from rnncheck.bundle import diff, join, read, record, write
from tests.bundle.support import mutant, recorded, torchs, verdicts
from tests.effort import some

SHARDS = 3
CASES = 7


def parts(folder, count=SHARDS, **options):
    files = [folder / f"{i}.safetensors" for i in range(1, count + 1)]
    for i, file in enumerate(files, 1):
        write(record(torch.nn.GRU, max_examples=CASES, shard=f"{i}/{count}", **options), file)
    return files


def test_the_shards_joined_are_the_bundle_of_one_run(tmp_path):
    files = parts(tmp_path)
    assert [len(read(file).recorded) for file in files] == [3, 2, 2]
    write(join(list(reversed(files))), tmp_path / "joined")
    write(record(torch.nn.GRU, max_examples=CASES), tmp_path / "whole")
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


def test_shards_that_are_not_all_parts_of_one_run_are_refused(tmp_path):
    files = parts(tmp_path, 2)
    for given, said in [
        (files[:1], "1 files, but should be one for each of 2 shards; missing: 2/2"),
        ([*files, files[0]], "given twice: 1/2"),
    ]:
        with pytest.raises(UsageError, match=said):
            join(given)
    write(record(torch.nn.GRU, max_examples=CASES, shard="2/2", seed=4), files[1])
    with pytest.raises(UsageError, match="are not of one run: they differ in seed"):
        join(files)
    write(record(torch.nn.GRU, max_examples=3, shard="2/2"), files[1])
    with pytest.raises(UsageError, match="they differ in the number of cases"):
        join(files)
    write(record(torch.nn.GRU, max_examples=2), files[1])
    with pytest.raises(UsageError, match="is the bundle of a whole run; make shards with: rnncheck record TARGET --shard 1/5"):
        join(files)


def test_a_part_without_a_case_is_refused():
    with pytest.raises(UsageError, match="shard = 3/3, but there are fewer cases"):
        record(torch.nn.GRU, max_examples=2, shard="3/3")
    with pytest.raises(UsageError, match="shard = 3/3, but there are 2 cases"):
        diff(recorded(torchs(), 2), recorded(torchs(), 2), shard="3/3")


@pytest.mark.parametrize("other", some([lambda: mutant("gates-i-f-swapped"), lambda: recorded(mutant("gates-i-f-swapped"))], 2))
def test_the_shards_of_a_diff_look_at_every_case_once(other):
    bundle, against = recorded(torchs()), other()
    whole = verdicts(diff(bundle, against, engine="inline"))["bundle.results"]
    shards = [verdicts(diff(bundle, against, engine="inline", shard=f"{i}/3"))["bundle.results"] for i in range(1, 4)]
    assert sum(one.cases for one in shards) == whole.cases
    assert whole.red and any(one.red and one.case == whole.case for one in shards)
