"""The options that write a report to files, and the writing: shared by the commands that make a report."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnncheck.core.plain_text import one_line
from rnncheck.errors import UsageError
from rnncheck.faces.streams import lost_output
from rnncheck.files.reading import reason
from rnncheck.files.writing import write_whole

if TYPE_CHECKING:
    from rnncheck.report.report import Report

FORMATS = {
    "json": "the report as JSON; - for stdout", "junit": "JUnit XML", "markdown": "Markdown", "sarif": "SARIF 2.1.0",
    "html": "one self-contained HTML page", "badge": "an SVG badge",
}  # fmt: skip


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--json F``, ``--junit F``, … and ``--brief`` on a command; take_files finds them in its options."""
    command = click.option("--brief", is_flag=True, help="Make --json short: causes, smallest cases, how to fix them.")(command)
    for name, what in reversed(FORMATS.items()):
        option = click.option(f"--{name}", f"{name}_file", type=click.Path(dir_okay=False), metavar="F", help=f"Also write {what}.")
        command = option(command)
    return command


def take_files(options: dict[str, Any]) -> dict[str, str]:
    """The files that were asked for, by format; they are no longer among the options then.

    Raises UsageError, before any work is done, where a file's folder is not there.
    """
    given = {name: options.pop(f"{name}_file") for name in FORMATS}
    files = {name: file for name, file in given.items() if file}
    if options.pop("brief"):
        if "json" not in files:
            raise UsageError("--brief makes --json short, but there is no --json: add --json - for stdout, or --json F")
        files = {"brief" if name == "json" else name: file for name, file in files.items()}
    for file in files.values():
        if not Path(file).parent.is_dir():
            raise UsageError(f"{one_line(file)} cannot be written: there is no folder {one_line(Path(file).parent)}")
    if len(set(files.values())) < len(files):
        twice = next(file for file in files.values() if list(files.values()).count(file) > 1)
        both = " and ".join(name for name, file in files.items() if file == twice)
        raise UsageError(f"{one_line(twice)} would hold {both}; name a file for each")
    return files


def write_reports(report: "Report", files: Mapping[str, str], exit_code: int) -> int:
    """Write each; the exit code, which is 3 instead of 0 if one could not be written. A line on stderr says why then."""
    written = [_write(file, _text(report, name)) for name, file in files.items()]
    return exit_code if all(written) else exit_code or 3


def _text(report: "Report", name: str) -> str:
    """Return the report in this format: each has a module of its own, which is imported when it is asked for."""
    made = report.to_json() if name == "json" else getattr(import_module(f"rnncheck.report.{name}"), name)(report)
    return made if isinstance(made, str) else json.dumps(made, indent=2)


def _write(file: str, text: str) -> bool:
    if file == "-":
        click.echo(text)
        return not lost_output()
    try:
        write_whole(Path(file), text + "\n")
    except (OSError, ValueError) as error:  # a full disk must not take with it what is known
        click.echo(f"rnncheck: {one_line(file)} cannot be written: {reason(error)}", err=True)
        return False
    return True
