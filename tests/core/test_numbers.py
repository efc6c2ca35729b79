"""Every number that a person gives has bounds, in one line; and what goes wrong in rnncheck is not stored as a failing case."""

from dataclasses import replace
from math import inf, nan

import pytest
from torch import nn

import rnncheck
from rnncheck.campaign.options import bytes_of, case_seconds_of, seconds
from rnncheck.catalog import CATALOG
from rnncheck.core.bounds import WHOLE, whole
from rnncheck.errors import UsageError
from rnncheck.faces.cli import main

HUGE = "9" * 5_000
LINES = [
    ("--seed", "99999999999999999999999"), ("--seed", "-1"), ("--seed", HUGE), ("--seed", "1.5"), ("--seed", "nan"), ("--seed", ""),
    ("--jobs", "0"), ("--jobs", "100000"), ("--jobs", HUGE), ("--jobs", "-1"),
    ("--max-examples", "0"), ("--max-examples", "1" + "0" * 30),
    ("--max-examples", "1e3"),
    ("--strength", "5"), ("--strength", "1"), ("--strength", HUGE),
    ("--budget", "inf"), ("--budget", "nan"), ("--budget", "1e400"), ("--budget", "-1"), ("--budget", "0"),
    ("--budget", HUGE + "s"),
    ("--budget", "99999999h"), ("--budget", "\u0661s"),
    ("--case-seconds", "inf"), ("--case-seconds", "nan"), ("--case-seconds", "0"),
    ("--case-seconds", "-3"), ("--case-seconds", "1e400"),
    ("--memory-limit", "0G"), ("--memory-limit", HUGE + "G"), ("--memory-limit", "99999999999GiB"), ("--memory-limit", "1"),
    ("--memory-limit", "0.0000001M"), ("--device", "cuda:" + HUGE), ("--device", "\x1b]0;t\x07"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), LINES, ids=[f"{option} {value[:12]!r}" for option, value in LINES])
def test_a_number_out_of_bounds_is_wrong_usage(option, value, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rnncheck", "verify", "torch.nn.GRU", "--engine", "inline", option, value])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and len(told) < 600 and "Traceback" not in told and "\x1b" not in told
    assert "should be" in told or "is not a" in told


OPTIONS = [
    *({"seed": value} for value in (10**23, 1.0, True, None, 10**5000)), {"jobs": 0}, {"jobs": 2.0},
    {"max_examples": inf}, {"max_examples": "3"}, {"strength": 2.5},
    *({"budget": value} for value in (inf, nan, True, [1], 10**400)), *({"case_seconds": value} for value in (inf, nan, "3")),
    {"memory_limit": 7}, {"memory_limit": ["2GiB"]},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
def test_python_is_told_the_same(options):
    with pytest.raises(UsageError) as refusal:
        rnncheck.verify("torch.nn.GRU", engine="inline", properties="shape.output", **options)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


def test_the_bounds_themselves_are_accepted():
    for option, ends in WHOLE.items():
        assert [whole(option, end) for end in ends] == list(ends)
    assert seconds("0.5s") == 0.5 and seconds(3) == 3.0 and case_seconds_of(0.1) == 0.1 and bytes_of("1.5M") == 3 << 19
    report = rnncheck.verify("torch.nn.GRU", engine="inline", properties="shape.output", max_examples=2, seed=2**32 - 1)
    assert report.exit_code == 0


def test_a_mistake_of_ours_is_not_stored_as_a_failure_of_the_subject(tmp_path, monkeypatch):
    def broken(trial):
        raise ZeroDivisionError("ours")

    monkeypatch.setitem(CATALOG, "shape.output", replace(CATALOG["shape.output"], check=broken))
    report = rnncheck.verify(nn.GRU, engine="inline", properties="shape.output", max_examples=2, folder=tmp_path)
    ((_, verdict),) = report.failures
    assert "a mistake of rnncheck" in verdict.reason and verdict.stored is None and not list(tmp_path.rglob("*.json"))
