"""``rnncheck demo``: a real mistake in a layer of thirty lines, found, shown as a script that fails, and fixed."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnncheck.campaign.clock import counted_from
from rnncheck.core.plain_text import one_line, plain, quoted
from rnncheck.demo.mistakes import MISTAKES, Mistake, written
from rnncheck.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from rnncheck.report.report import Report

FOLDER = Path(".rnncheck", "demo")
"""Where the layers, the failing case and the script are written: they stay there to be read and tried again."""
PROPERTIES = "shape.output,state.*,time.split,layout.batch_first,layout.square,gate.one_step,agree.forward,gradient.reference"
"""Few enough to be judged in seconds; each mistake breaks some of them, none breaks all."""
CASES = 6
"""Cases of each of the two layers: a number ends their runs and no time does, so that a busy machine shows the same."""
SCRIPT_SECONDS = 15.0
COLOURS = {"-": "red", "+": "green"}


@click.command("demo")
@click.option("--bug", default=next(iter(MISTAKES)), metavar="NAME", show_default=True, help="Which mistake; see --list.")
@click.option("--list", "as_list", is_flag=True, help="List the mistakes with the places where they were made.")
def demo_command(bug: str, as_list: bool) -> int:
    """Find a real mistake in a small GRU or LSTM, run the script that shows it, and check the fixed layer.

    Takes less than thirty seconds, and writes to .rnncheck/demo. Exit code 0 if the mistake was found and the fixed layer
    holds, 3 if there was no time for that.
    """
    from rich.console import Console

    if as_list:
        for mistake in MISTAKES.values():
            click.echo(f"{mistake.name:12} {mistake.layer}: {mistake.story}\n{'':12} {', '.join(mistake.sources)}\n")
        return 0
    if bug not in MISTAKES:
        raise UsageError(f"--bug = {quoted(bug)}, but should be one of {', '.join(MISTAKES)}")
    return _show(MISTAKES[bug], Console())


def _show(mistake: Mistake, console: "Console") -> int:
    try:
        wrong, right = written(mistake, FOLDER)
    except OSError as error:
        raise UsageError(f"{FOLDER} cannot be written: {one_line(error)}; run the demo in another folder") from None
    _say(console, f"1. A hand-written {mistake.layer} with one wrong line: {wrong.rpartition(':')[0]}", mistake.story)
    _say(console, "", f"Made in {', '.join(mistake.sources)}.")
    _say(console, "2. rnncheck judges it")
    report = _judged(wrong, repro=FOLDER)
    _print(report, console)
    lead = next((subject.causes[0].lead for subject in report.subjects if subject.causes), None)
    if lead is None:
        _say(console, "There was no time to find the mistake: this machine is busy. Try again.")
        return 3
    if lead.repro:
        _say(console, f"3. The script that it wrote, run without rnncheck: python {lead.repro}")
        _print_code(console, plain(_ran(lead.repro)), "red")
    _say(console, "4. The fixed line")
    for line in mistake.change:
        _print_code(console, f"   {line}", COLOURS.get(line[0], ""))
    _say(console, f"5. The fixed layer: {right.rpartition(':')[0]}")
    fixed = _judged(right)
    _print(fixed, console)
    _say(console, "Try next")
    for command in (f"rnncheck replay {lead.stored}", f"rnncheck explain {lead.property}", "rnncheck verify yours.py:YourLayer"):
        _print_code(console, f"   {command}")
    return 0 if fixed.exit_code == 0 else 3


def _judged(target: str, **options: Any) -> "Report":
    from rnncheck.faces.progress import ProgressBar

    with ProgressBar() as progress, counted_from(time.monotonic()):
        from rnncheck.campaign.verify import verify

        return verify(
            target, properties=PROPERTIES, profile="smoke", max_examples=CASES, folder=FOLDER, progress=progress, **options
        )


def _print(report: "Report", console: "Console") -> None:
    from rnncheck.report.terminal import print_report

    console.print()
    print_report(report, console)


def _print_code(console: "Console", text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _say(console: "Console", title: str, text: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    if title:
        console.print(Text(f"\n{title}", style="bold"), soft_wrap=True)
    if text:
        console.print(Padding(Text(text), (0, 0, 0, 3)))


def _ran(script: str) -> str:
    """Return the last lines that a script prints; it is run as anyone would run it."""
    try:
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=SCRIPT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"   (not over after {SCRIPT_SECONDS:.0f} s)"
    last = done.stderr.strip().splitlines()[-1:]
    return "\n".join(f"   {line}" for line in [*done.stdout.strip().splitlines(), *last])
