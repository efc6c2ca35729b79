"""The pytest plugin of rnncheck: options, the ``conformance`` fixture, and failures told in our own words.

A module beside the package: pytest loads plugins before it measures coverage or instruments a package for run-time type
checks, so this one imports nothing of rnncheck until a test asks for it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rnncheck-profile``, ``--rnncheck-budget``, ``--rnncheck-device``."""
    group = parser.getgroup("rnncheck")
    group.addoption("--rnncheck-profile", choices=("smoke", "ci", "nightly"), help="how far @rnncheck.parametrize goes")
    group.addoption("--rnncheck-budget", metavar="30s", help="wall time for one property")
    group.addoption("--rnncheck-device", metavar="DEVICE", help="cpu, cuda, mps")


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Any:
    """One property on one target, as @rnncheck.parametrize declares it, under the options of this run."""
    if not hasattr(request, "param"):
        raise pytest.UsageError(
            "the fixture `conformance` belongs to @rnncheck.parametrize(TARGET): decorate the test with it"
        )
    given = {name: request.config.getoption(f"--rnncheck-{name}") for name in ("profile", "budget", "device")}
    said = {name: value for name, value in given.items() if value is not None}
    options = {"folder": _folder(request.config)} | dict(request.param.options) | said
    if "profile" in said:
        options.pop("max_examples", None)
    return replace(request.param, options=options)


def _folder(config: pytest.Config) -> Path:
    """Where failing cases are kept: ``.rnncheck`` of the root folder, as it is called from here."""
    folder, here = config.rootpath / ".rnncheck", config.invocation_params.dir
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A property that does not hold prints its message, not a traceback through our code."""
    report: Any = yield
    if (
        call.excinfo is not None
        and call.excinfo.type.__module__ == "rnncheck.report.model"
        and call.excinfo.typename == "Failed"
    ):
        report.longrepr = str(call.excinfo.value)
    return report
