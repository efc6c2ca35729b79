"""``[tool.rnncheck]`` of pyproject.toml, or the same keys at the top of a TOML file of its own."""

import datetime
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnncheck.campaign import store
from rnncheck.core.bounds import WHOLE
from rnncheck.core.deviation import Deviation, DeviationError
from rnncheck.core.plain_text import one_line, quoted
from rnncheck.errors import UsageError
from rnncheck.files.reading import read_toml


@dataclass(frozen=True)
class GateConfig:
    """The configuration of the gate; the names are the keys, and mean what rnncheck.verify's arguments mean.

    devices:  where to run; all that are found: ["all"]
    coverage: the share of the combinations of structural axes that must have been judged, 1.0 for all
    baseline: a JSON report; what held there must still hold
    """

    targets: tuple[str, ...] = ()
    against: str | None = None
    kind: str | None = None
    typed: str | None = None
    time: str | None = None
    properties: tuple[str, ...] = ("*",)
    properties_from: tuple[str, ...] = ()
    profile: str = "ci"
    budget: str | float | None = None
    max_examples: int | None = None
    strength: int | None = None
    seed: int = 0
    jobs: int | None = None
    engine: str = "processes"
    devices: tuple[str, ...] = ("cpu",)
    require: tuple[str, ...] = ()
    dtypes: tuple[str, ...] | None = None
    strict: bool = False
    read: Mapping[str, Any] | None = None
    repro: Path | None = None
    coverage: float = 0.0
    baseline: Path | None = None
    deviations: tuple[Deviation, ...] = ()


Wanted = tuple[Callable[[Any], bool], str]


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


TEXT: Wanted = (lambda value: isinstance(value, str), "a string")
NAMES: Wanted = (_is_names, "a list of strings")
SOME: Wanted = (lambda value: _is_names(value) and len(value) > 0, "a list of one string or more")


def _whole(option: str) -> Wanted:
    least, most = WHOLE[option]
    return (lambda value: type(value) is int and least <= value <= most), f"a whole number from {least} to {most}"


TABLE: Wanted = (lambda value: isinstance(value, dict), "a table")
TABLES: Wanted = (
    lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    "an array of tables, [[deviations]]",
)
DAY: Wanted = (lambda value: type(value) is datetime.date, "a date such as 2027-01-31, without quotes")
TIME: Wanted = (lambda value: isinstance(value, str) or type(value) in (int, float), 'a time such as "60s"')
FLAG: Wanted = (lambda value: isinstance(value, bool), "true or false")
SHARE: Wanted = (lambda value: type(value) in (int, float) and 0 <= value <= 1, "a share between 0.0 and 1.0")

KEYS: dict[str, Wanted] = {
    "targets": NAMES, "against": TEXT, "kind": TEXT, "typed": TEXT, "time": TEXT,
    "properties": SOME, "properties_from": NAMES, "profile": TEXT, "budget": TIME,
    "max_examples": _whole("max_examples"), "strength": _whole("strength"), "seed": _whole("seed"), "jobs": _whole("jobs"),
    "engine": TEXT, "devices": SOME,
    "require": NAMES, "strict": FLAG, "read": TABLE,
    "dtypes": SOME, "repro": TEXT, "coverage": SHARE, "baseline": TEXT, "deviations": TABLES,
}  # fmt: skip
DEVIATION_KEYS: dict[str, Wanted] = {
    "property": TEXT, "reason": TEXT, "where": TABLE, "issue": TEXT, "expires": DAY, "case": TEXT, "subject": TEXT,
}  # fmt: skip


def read_config(file: Path) -> GateConfig:
    """Read and check a file; raises UsageError with one line that names the file and the key."""
    table = _table(file)
    name = one_line(file)
    _check(name, table, KEYS)
    values: dict[str, Any] = {key: tuple(value) if KEYS[key] in (NAMES, SOME) else value for key, value in table.items()}
    for key in ("baseline", "repro"):
        if key in values:
            values[key] = file.parent / values[key]
    values["deviations"] = tuple(
        _deviation(f"{name}: deviation {number}", item, file.parent)
        for number, item in enumerate(table.get("deviations", ()), start=1)
    )
    return GateConfig(**values)


def _table(file: Path) -> dict[str, Any]:
    document = read_toml(file)
    if file.name != "pyproject.toml" and "tool" not in document:
        return document
    tool = document.get("tool", {})
    if not isinstance(tool, dict) or not isinstance(tool.get("rnncheck"), dict):
        example = 'targets = ["mine.py:MyLSTM"]'
        raise UsageError(f"{one_line(file)} has no table [tool.rnncheck] that says what to check, e.g. {example}")
    return dict(tool["rnncheck"])


def _check(where: str, table: Mapping[str, Any], wanted: Mapping[str, Wanted]) -> None:
    for key, value in table.items():
        _known(where, key, wanted)
        good, words = wanted[key]
        if not good(value):
            raise UsageError(f"{where}: {key} = {quoted(value)}, but should be {words}")


def _known(where: str, key: str, names: Iterable[str]) -> None:
    if key not in names:
        close = difflib.get_close_matches(key[:80], list(names), n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
        raise UsageError(f"{where}: unknown key {quoted(key)}; {hint}")


def _deviation(where: str, item: Mapping[str, Any], folder: Path) -> Deviation:
    _check(where, item, DEVIATION_KEYS)
    for name in ("property", "reason"):
        if name not in item:
            raise UsageError(f"{where} has no {name}")
    try:
        return Deviation(**{**item, **({"case": _case(folder / item["case"])} if "case" in item else {})})
    except (DeviationError, store.StoreError) as error:
        raise UsageError(f"{where}: {error}") from None


def _case(file: Path) -> dict[str, Any]:
    stored = store.load(file)
    return dict(stored.case.to_json())
