"""One layer of a package is judged as a user would judge it."""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import found
import rnncheck

CHEAP = (
    "shape.*,state.*,time.*,batch.alone,batch.permute,batch.gradient_alone,batch.unbatched,batch.empty*,batch.poisoned,layer.*,"
    "direction.*,layout.*,lengths.*,gate.*,agree.forward,agree.dtype,agree.no_grad,agree.against,agree.forms,mode.*,graph.*,"
    "gradient.*,numeric.*,life.copied,life.interleaved"
)
"""The properties that need no compiler, no export and no large sizes."""
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
OWN = ("__main__", "caching", "findings", "judging", "page")
"""Modules of found/ that judge no package."""
USUAL = {"properties": CHEAP, "budget": 90, "max_examples": 30, "engine": "inline", "profile": "ci"}
"""What ``rnncheck.verify`` is given, where a module of a package says nothing else."""


def modules() -> list[str]:
    """Return the names of the modules that say what to judge, in order."""
    return [one.name for one in pkgutil.iter_modules(found.__path__) if one.name not in OWN]


def here(name: str) -> bool:
    """Return whether the version that a module is about is installed; most are about the one of found/requirements.txt."""
    module = importlib.import_module(f"found.{name}")
    wanted = getattr(module, "VERSION", None) or _pinned(module.PACKAGE)
    return wanted is None or version(module.PACKAGE) == wanted


def _pinned(package: str) -> str | None:
    lines = (line.partition("==") for line in REQUIREMENTS.read_text().splitlines())
    return next((number for name, _, number in lines if name == package), None)


def judge(name: str) -> Iterator[dict[str, Any]]:
    """Judge what a module names, one thing after the other, and yield what is kept of each."""
    module = importlib.import_module(f"found.{name}")
    for title, options in module.JUDGED.items():
        report = rnncheck.verify(**{**USUAL, **options})
        yield {
            "package": module.PACKAGE,
            "version": version(module.PACKAGE),
            "module": name,
            "name": title,
            **_kept(report, options),
        }


def _kept(report: rnncheck.Report, options: dict[str, Any]) -> dict[str, Any]:
    subject = report.subjects[0]
    verdicts = [one.verdict for one in subject.verdicts]
    return {
        "target": options["target"],
        "against": options.get("against"),
        "typed": "typed" in options,
        "reading": subject.reading,
        "cases": subject.cases,
        "holds": sorted(one.property for one in subject.verdicts if one.verdict == "holds"),
        "not_reached": verdicts.count("not_reached"),
        "red": [_red(cause) for cause in subject.causes],
    }


def _red(cause: Any) -> dict[str, Any]:
    return {"property": cause.lead.property, "headline": cause.headline, "also": [one.property for one in cause.also]}
