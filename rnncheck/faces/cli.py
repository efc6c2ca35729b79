"""The command line: ``rnncheck verify | list | explain | replay | record | diff | gate``."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rnncheck.campaign.replay import replay
from rnncheck.campaign.store import FOLDER
from rnncheck.campaign.verify import verify
from rnncheck.catalog import CATALOG
from rnncheck.core.property import Property
from rnncheck.errors import UsageError
from rnncheck.faces.bundles import diff_command, record_command
from rnncheck.faces.config_file import read_config
from rnncheck.faces.gate import gate_command
from rnncheck.faces.report_files import report_options, take_files, write_reports
from rnncheck.report.terminal import print_report
from rnncheck.report.text import failure_text
from rnncheck.system.supervised import open_standard_streams, require_folder, supervised


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rnncheck")
def cli() -> None:
    """Check which contracts of a recurrent layer hold, and show the smallest failing case of each that does not.

    Exit codes: 0 all that is claimed holds; 1 something fails, crashed or hung; 2 wrong usage; 3 incomplete.
    """


@cli.command("verify")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--against", metavar="REF", help="The implementation that TARGET is to agree with, e.g. torch.nn.LSTM.")
@click.option("--as", "kind", type=click.Choice(["layer", "cell", "clip"]), help="What TARGET is, if it cannot be told.")
@click.option("--properties", default="*", metavar="GLOB[,GLOB]", help="Which properties, e.g. 'time.*,shape.output'.")
@click.option("--device", default="cpu", metavar="cpu|cuda|mps|all", help="Where to run.")
@click.option("--require", multiple=True, metavar="DEVICE", help="Incomplete (exit 3) without this device.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float64", "float32", "bfloat16", "float16"]))
@click.option("--profile", default="ci", type=click.Choice(["smoke", "ci", "nightly"]), show_default=True)
@click.option("--budget", metavar="60s", help="Wall time for everything.")
@click.option("--max-examples", type=click.IntRange(1), metavar="N", help="Cases a subject.")
@click.option("--strength", type=click.IntRange(2, 4), help="Visit every combination of so many structural axes.")
@click.option("--seed", default="0", metavar="N|random", help="Seed of everything random.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Workers; default: one a core.")
@click.option("--engine", default="processes", type=click.Choice(["processes", "inline", "ray"]), show_default=True)
@click.option("--address", metavar="ADDRESS", help="Of the Ray cluster, e.g. auto or ray://host:10001.")
@click.option("--case-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="A check that takes longer hangs.")
@click.option("--memory-limit", metavar="2GiB", help="What a worker may take beyond what it starts with.")
@report_options
@click.option("--repro", type=click.Path(file_okay=False), metavar="DIR", help="Write a standalone script for each failure.")
@click.option(
    "--deviations",
    type=click.Path(dir_okay=False),
    metavar="F",
    help="What is known not to hold: [[deviations]] of a TOML file.",
)
@click.option("--verbose", "-v", is_flag=True, help="List what does not apply and what is not claimed too.")
def verify_command(
    targets: tuple[str, ...],
    seed: str,
    verbose: bool,
    dtypes: tuple[str, ...],
    deviations: str | None,
    **options: Any,
) -> int:
    """Judge TARGET (package.module:attr, path/to/file.py:attr, or dotted); none: rnncheck's own layers and torch's."""
    files = take_files(options)
    console = Console(stderr="-" in files.values())
    chosen, known = _seed(seed), None if deviations is None else read_config(Path(deviations)).deviations
    with _progress_bar() as progress:
        report = verify(
            list(targets) or None,
            seed=chosen,
            dtypes=dtypes or None,
            deviations=known,
            folder=FOLDER,
            progress=progress,
            **options,
        )
    print_report(report, console, verbose=verbose)
    if seed == "random":
        console.print(f"seed: {chosen}")
    return write_reports(report, files, report.exit_code)


def _seed(text: str) -> int:
    import secrets

    if text == "random":
        return secrets.randbelow(2**31)
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--seed = {text!r}, but should be a whole number, or random") from None


class _progress_bar:
    """A progress bar on stderr, only on a terminal."""

    def __enter__(self) -> Any:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.bar.start()
        self.task = self.bar.add_task("looking at the target", total=None)
        return lambda what, done, planned: self.bar.update(self.task, description=what, completed=done, total=planned or None)

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> int:
    """Every property, with its statement."""
    if as_json:
        click.echo(json.dumps([_card(prop) for prop in CATALOG.values()], indent=2))
        return 0
    for prop in CATALOG.values():
        click.echo(f"{prop.id:32} {prop.statement}")
    return 0


@cli.command("explain")
@click.argument("id")
def explain_command(id: str) -> int:
    """The card of one property, and the code that is executed."""
    import difflib
    import inspect

    if id not in CATALOG:
        close = difflib.get_close_matches(id, CATALOG, n=3)
        raise UsageError(f"no property {id!r}{'; did you mean ' + ', '.join(close) + '?' if close else ''} See: rnncheck list")
    for key, value in _card(CATALOG[id]).items():
        click.echo(f"{key:10} {value}")
    click.echo("\n" + inspect.getsource(CATALOG[id].check))
    return 0


@cli.command("replay")
@click.argument("file", type=click.Path())
@click.option("--target", metavar="TARGET", help="On another implementation than the one that the case is from.")
@click.option("--engine", default="processes", type=click.Choice(["processes", "inline"]), show_default=True)
def replay_command(file: str, target: str | None, engine: str) -> int:
    """Run one stored failing case again, in detail: shapes, the first wrong step, expected and actual around it."""
    done = replay(file, target, engine)
    if done.verdict.red:
        click.echo(failure_text(done.subject, done.verdict))
        return 1
    click.echo(f"{done.verdict.property} {done.verdict.verdict.replace('_', ' ')} for {done.subject}\n  case: {done.verdict.case}")
    return 0 if done.verdict.verdict == "holds" else 3


for command in (record_command, diff_command, gate_command):
    cli.add_command(command)


def _card(prop: Property) -> dict[str, Any]:
    return {
        "id": prop.id,
        "statement": prop.statement,
        "formula": prop.formula,
        "kind": prop.kind,
        "source": prop.source,
        "applies": prop.applies.words,
        "needs": ", ".join(prop.needs),
    }


def supervised_main() -> None:
    """Run the command line in a process of its own: however that ends, the exit code of this one says so."""
    open_standard_streams()
    sys.exit(supervised(command_line))


def main() -> None:
    """Run the command line in this process."""
    sys.exit(command_line())


def command_line() -> int:
    """Return the exit code of the command line; wrong usage is one line on stderr and 2."""
    try:
        require_folder()
        return cli.main(standalone_mode=False) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except UsageError as error:
        click.echo(f"rnncheck: {error}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("rnncheck: interrupted", err=True)
        return 3
