"""The pytest plugin of rnncheck: options, the ``conformance`` fixture, and failures told in our own words.

A module beside the package: pytest loads plugins before it measures coverage or instruments a package for run-time type
checks, so this one imports nothing of rnncheck until a test asks for it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

SHARED = pytest.StashKey[Any]()
"""Where a session keeps the campaigns that its items share."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--rnncheck-profile``, ``--rnncheck-budget``, ``--rnncheck-device``, ``--rnncheck-strict``, ``--rnncheck-shard``."""
    group = parser.getgroup("rnncheck")
    group.addoption("--rnncheck-profile", choices=("smoke", "ci", "nightly"), help="how far @rnncheck.parametrize goes")
    group.addoption("--rnncheck-budget", metavar="30s", help="wall time for one property; items of one target share theirs")
    group.addoption("--rnncheck-device", metavar="DEVICE", help="cpu, cuda, mps")
    group.addoption(
        "--rnncheck-shard", metavar="2/5", help="check only this part of the cases of each property, in one of several jobs"
    )
    group.addoption("--rnncheck-strict", action="store_true", default=None, help="fail on conventions too, not only contracts")


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Any:
    """One property on one target, as @rnncheck.parametrize declares it, under the options of this run."""
    if not hasattr(request, "param"):
        raise pytest.UsageError("the fixture `conformance` belongs to @rnncheck.parametrize(TARGET): decorate the test with it")
    return replace(_as_asked(request.config, request.param), campaigns=_campaigns(request))


def _as_asked(config: pytest.Config, item: Any) -> Any:
    """An item's options, as they are under the command line's."""
    given = {name: config.getoption(f"--rnncheck-{name}") for name in ("profile", "budget", "device", "strict", "shard")}
    said = {name: value for name, value in given.items() if value is not None}
    options = {"folder": _folder(config)} | dict(item.options) | said
    if "profile" in said:
        options.pop("max_examples", None)
    if _workers(config) > 1:
        options.setdefault("jobs", 1)
    return replace(item, options=options)


def _workers(config: pytest.Config) -> int:
    """Return the number of pytest-xdist's workers, 1 without it."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))


def _campaigns(request: pytest.FixtureRequest) -> Any:
    """Return what the items of this session share, made for those that are selected."""
    from rnncheck.faces.pytest_campaigns import Campaigns

    stash = request.session.stash
    if SHARED not in stash:
        declared = (item.callspec.params.get("conformance") for item in request.session.items if hasattr(item, "callspec"))
        selected = [_as_asked(request.config, one).question for one in declared if hasattr(one, "question")]
        workers = _workers(request.config)
        folder = request.getfixturevalue("tmp_path_factory").getbasetemp().parent if workers > 1 else None
        stash[SHARED] = Campaigns(selected, workers, folder)
    return stash[SHARED]


def _folder(config: pytest.Config) -> Path:
    """Where failing cases are kept: ``.rnncheck`` of the root folder, as it is called from here."""
    folder, here = config.rootpath / ".rnncheck", config.invocation_params.dir
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A property that does not hold prints its message, not a traceback through our code."""
    report: Any = yield
    if call.excinfo is not None and call.excinfo.type.__module__ == "rnncheck.report.model" and call.excinfo.typename == "Failed":
        from rnncheck.faces.pytest_summary import packed

        failed: Any = call.excinfo.value
        report.longrepr = str(failed)
        if failed.report is not None:
            report.rnncheck = packed(failed.report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end what the failing items have in common: each cause once, with its smallest calls."""
    failures = [report.rnncheck for report in terminalreporter.stats.get("failed", ()) if hasattr(report, "rnncheck")]
    if failures:
        from rnncheck.faces.pytest_summary import summary

        terminalreporter.section("what rnncheck found")
        for line in summary(failures, terminalreporter._tw.fullwidth):
            terminalreporter.write_line(line)
