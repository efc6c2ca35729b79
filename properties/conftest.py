"""``pytest properties --device cpu,cuda``: on every device named, and by default on every device found."""

import pytest

from rnncheck.backend.devices import asked_for, is_here


def pytest_addoption(parser: pytest.Parser) -> None:
    """The device option."""
    parser.addoption("--device", default="all", help="cpu, cuda, mps, xpu, several with commas, or all that are found")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a device; a device that was asked for and is absent is a visible skip."""
    if "device" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--device")
    absent = pytest.mark.skip(reason="no such device on this machine")
    metafunc.parametrize("device", [pytest.param(name, marks=[] if is_here(name) else [absent]) for name in asked_for(asked)])
