"""``rnncheck doctor``: one screen, true, and without what names the user or the machine."""

import getpass
import platform

import pytest
import torch
from click.testing import CliRunner

from rnncheck.adapters import torch_layers
from rnncheck.core.subject import Claim
from rnncheck.faces import doctor
from rnncheck.faces.cli import cli


@pytest.fixture(scope="module")
def lines():
    done = CliRunner().invoke(cli, ["doctor"], standalone_mode=False)
    assert done.return_value == 0, done.output
    return done.output.splitlines()


def test_it_fits_on_one_screen_and_says_what_is_asked_of_a_bug_report(lines):
    assert len(lines) <= 20
    assert {line.split()[0] for line in lines} == {
        "versions", "needs", "options", "processor", "device", "kernels", "compiler", "settings",
    }  # fmt: skip
    assert f"torch {torch.__version__}" in lines[0] and platform.python_version() in lines[0]


def test_it_names_neither_user_nor_machine(lines):
    words = " ".join(lines).split()
    assert getpass.getuser() not in words and platform.node() not in words


def test_a_kernel_that_is_missing_is_named(monkeypatch):
    claims = {"float16": Claim(False, "probed", "torch has no kernel for float16 on this processor: ...")}
    monkeypatch.setattr(torch_layers, "_lacking", lambda kind: claims)
    assert [line for line in doctor._kernels() if "torch.nn.GRU: torch has no kernel for float16" in line]


def test_what_is_set_is_shown(monkeypatch):
    monkeypatch.setenv("RNNCHECK_DISABLE", "1")
    assert "RNNCHECK_DISABLE=1" in doctor._settings()


def test_a_machine_without_a_compiler_is_told(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert "torch.compile cannot be checked" in doctor._compiler()
