"""``pytest properties --device cpu,cuda``: on every device named, and by default on every device found."""

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """The device option."""
    parser.addoption("--device", default="all", help="cpu, cuda, mps, several with commas, or all that are found")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a device; a device that was asked for and is absent is a visible skip."""
    if "device" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--device")
    found = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    names = found if asked == "all" else asked.split(",")
    absent = pytest.mark.skip(reason="no such device on this machine")
    metafunc.parametrize("device", [pytest.param(name, marks=[] if name in found else [absent]) for name in names])
