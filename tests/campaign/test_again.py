"""What a report says to write to see a failure again leads to the same target, whatever that is called."""

import functools
import importlib
import re
import shlex
import sys

import pytest
from torch import nn

import rnncheck
from rnncheck.campaign.replay import replay
from tests.effort import some

MINE = """
import functools

from torch import nn

from rnncheck.adapters.torch_layers import torch_like


class Deaf(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        return self.rnn(input)


def make(input_size, hidden_size):
    return Deaf(input_size, hidden_size)


instance = Deaf(3, 4)
part = functools.partial(Deaf)
named = torch_like(Deaf, ("GRU",), "a GRU of 2026")
"""
OPTIONS = {"properties": "state.used", "engine": "inline", "budget": 200, "max_examples": 3, "folder": ".rnncheck"}


class Deaf(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, input, hx=None):
        return self.rnn(input)


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine of 2026.py").write_text(MINE)
    (tmp_path / "deaf_of_2026.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("deaf_of_2026", None)


def labelled(report, label):
    return re.search(rf"^  {label} +(.*)$", str(report), re.MULTILINE)[1]


@pytest.mark.parametrize("name", some(["Deaf", "make", "instance", "part", "named"], 3))
def test_what_a_file_holds_is_named_as_it_was(here, name):
    target = f"mine of 2026.py:{name}"
    report = rnncheck.verify(target, **OPTIONS)
    assert shlex.split(labelled(report, "as a script")) == ["rnncheck", "verify", target, "--repro", "DIR"]
    again = shlex.split(labelled(report, "again"))
    assert again[:2] == ["rnncheck", "replay"]
    assert replay(again[2], engine="inline", trust=True).verdict.red
    assert rnncheck.verify(target, **OPTIONS).mended == ()


def test_a_reference_is_named_too(here):
    report = rnncheck.verify("deaf_of_2026.Deaf", against="torch.nn.GRU", **OPTIONS)
    assert labelled(report, "as a script") == "rnncheck verify deaf_of_2026.Deaf --against torch.nn.GRU --repro DIR"


def test_what_can_be_imported_is_named_by_its_module(here):
    report = rnncheck.verify(importlib.import_module("deaf_of_2026").make, **OPTIONS)
    assert labelled(report, "as a script") == "rnncheck verify deaf_of_2026.make --repro DIR"


OF_NO_NAME = {
    "object": lambda: Deaf(3, 4),
    "partial": lambda: functools.partial(Deaf),
    "local class": lambda: type("Mine", (Deaf,), {}),
}


@pytest.mark.parametrize("make", some(OF_NO_NAME.values(), 3), ids=some(OF_NO_NAME, 3))
def test_what_no_name_leads_to_is_checked_again_in_python(here, make):
    target = make()
    report = rnncheck.verify(target, **OPTIONS)
    names = {"rnncheck": rnncheck, "target": target}
    with pytest.raises(AssertionError, match="state.used does not hold"):
        eval(labelled(report, "again"), names)
    assert labelled(report, "as a script") == 'rnncheck.verify(target, repro="DIR")'
    (file,) = (one.stored for one in report.subjects[0].verdicts if one.red)
    with pytest.raises(rnncheck.UsageError, match=r"names it: name a target of your own with --target mine\.py:MyLSTM"):
        replay(file, engine="inline")
