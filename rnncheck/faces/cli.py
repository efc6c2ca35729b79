"""The command line: one command a file or function; ``rnncheck --help`` lists them.

What imports torch is imported where it is used: help and wrong usage are answered without it.
"""

import gc
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnncheck.adapters.targets.locate import require_there
from rnncheck.adapters.targets.typed_names import TypedName
from rnncheck.campaign.clock import counted_from
from rnncheck.core.bounds import WHOLE, whole
from rnncheck.core.plain_text import one_line, plain, quoted
from rnncheck.errors import UsageError
from rnncheck.faces.bundles import diff_command, record_command
from rnncheck.faces.cases import cases_command
from rnncheck.faces.demo import demo_command
from rnncheck.faces.doctor import doctor_command
from rnncheck.faces.gate import gate_command
from rnncheck.faces.merge import merge_command
from rnncheck.faces.numbers import whole_number
from rnncheck.faces.read import read_command
from rnncheck.faces.report_files import report_options, take_files, write_reports
from rnncheck.faces.streams import forgiving_streams
from rnncheck.system.collector import uncollected
from rnncheck.system.supervised import open_standard_streams, require_folder, supervised

if TYPE_CHECKING:
    from rnncheck.core.property import Property

LONGEST_USAGE = 1000
"""Characters of click's message on wrong usage, which quotes what was given."""


properties_from_option = click.option(
    "--properties-from", multiple=True, metavar="FILE", help="A file or module that declares properties of your own."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rnncheck")
def cli() -> None:
    """Check which contracts of a recurrent layer hold, and show the smallest failing case of each that does not.

    Exit codes: 0 all that is claimed holds; 1 something fails, crashed or hung; 2 wrong usage; 3 incomplete.
    """


@cli.command("verify")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--against", metavar="REF", help="The implementation that TARGET must agree with, e.g. torch.nn.LSTM.")
@click.option("--as", "kind", type=click.Choice(["layer", "cell", "clip", "step", "pair"]), help="What TARGET is, where unclear.")
@click.option("--typed", metavar="STUB", help="A function that has TARGET's parameter names and is annotated.")
@click.option("--time", metavar="NAME", help="What the axis of time is called in the annotations.")
@click.option("--properties", default="*", metavar="GLOB[,GLOB]", help="Properties to check, e.g. 'time.*,shape.output'.")
@properties_from_option
@click.option("--device", default="cpu", metavar="cpu|cuda|mps|all", help="Where to run.")
@click.option("--require", multiple=True, metavar="DEVICE", help="Exit 3 (incomplete) if this device is missing.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float64", "float32", "bfloat16", "float16"]))
@click.option("--profile", type=click.Choice(["smoke", "quick", "ci", "nightly"]), help="Default: ci; quick without a TARGET.")
@click.option("--budget", metavar="60s", help="Wall time of the whole run.")
@click.option("--max-examples", type=whole_number("max_examples"), metavar="N", help="At most this many cases per target.")
@click.option("--strength", type=whole_number("strength"), metavar="N", help="Cover every combination of any N structural options.")
@click.option("--seed", default="0", metavar="N|random", help="Seed of all random choices.")
@click.option("--jobs", type=whole_number("jobs"), metavar="N", help="Number of workers; default: one per core.")
@click.option("--engine", default="processes", type=click.Choice(["processes", "inline", "ray"]), show_default=True)
@click.option("--address", metavar="ADDRESS", help="Address of the Ray cluster, e.g. auto or ray://host:10001.")
@click.option("--case-seconds", type=float, metavar="S", help="A check that takes longer counts as hung.")
@click.option("--memory-limit", metavar="2GiB", help="Memory that a worker may use on top of what it starts with.")
@click.option("--read", "read", multiple=True, metavar="WORD=VALUE", help="How TARGET is called, as `rnncheck read` prints it.")
@click.option("--strict", is_flag=True, help="Fail on conventions too, such as the wording of errors.")
@report_options
@click.option("--repro", type=click.Path(file_okay=False), metavar="DIR", help="Write a script and a test for each cause.")
@click.option(
    "--deviations",
    type=click.Path(dir_okay=False),
    metavar="F",
    help="TOML file that lists known failures under [[deviations]].",
)
@click.option("--shard", metavar="2/5", help="Check only this part of the cases; rnncheck merge joins the --json reports.")
@click.option("--verbose", "-v", is_flag=True, help="Show every verdict in tables, and each failure in full.")
def verify_command(
    targets: tuple[str, ...],
    seed: str,
    verbose: bool,
    dtypes: tuple[str, ...],
    deviations: str | None,
    read: tuple[str, ...],
    **options: Any,
) -> int:
    """Check TARGET (package.module:attr, path/to/file.py:attr, or dotted); without one, rnncheck's own layers and torch's."""
    files, chosen = take_files(options), _seed(seed)
    for target in filter(None, (*targets, options["against"], options["typed"])):
        for place in TypedName.of(target).places:
            require_there(place)
    from rich.console import Console

    from rnncheck.faces.progress import ProgressBar

    with ProgressBar() as progress:
        with uncollected():
            from rnncheck.campaign.store import FOLDER
            from rnncheck.campaign.verify import verify
            from rnncheck.faces.config_file import read_config
            from rnncheck.reading.said import from_words
            from rnncheck.report.terminal import print_report

        known = None if deviations is None else read_config(Path(deviations)).deviations
        report = verify(
            list(targets) or None,
            seed=chosen,
            dtypes=dtypes or None,
            deviations=known,
            read=from_words(read) if read else None,
            folder=FOLDER,
            progress=progress,
            **options,
        )
    code = write_reports(report, files, report.exit_code)
    console = Console(stderr="-" in files.values())
    print_report(report, console, verbose=verbose)
    for said in ("import", "start"):
        if said in report.environment:
            console.print(report.environment[said])
    if report.profile == "quick":
        console.print("This was a quick look. For a thorough check (minutes): rnncheck verify --profile ci")
    if seed == "random":
        console.print(f"seed: {chosen}", soft_wrap=True)
    return code


def _seed(text: str) -> int:
    import secrets

    if text == "random":
        return secrets.randbelow(2**31)
    least, most = WHOLE["seed"]
    try:
        return whole("seed", int(text))
    except ValueError:  # UsageError is one
        raise UsageError(f"--seed = {quoted(text)}, but should be a whole number from {least} to {most}, or random") from None


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@properties_from_option
def list_command(as_json: bool, properties_from: tuple[str, ...]) -> int:
    """List every property with its statement."""
    catalog = _catalog(properties_from)
    if as_json:
        click.echo(json.dumps([_card(prop) for prop in catalog.values()], indent=2))
        return 0
    for prop in catalog.values():
        click.echo(f"{prop.id:32} {prop.statement}")
    return 0


@cli.command("explain")
@click.argument("id")
@properties_from_option
def explain_command(id: str, properties_from: tuple[str, ...]) -> int:
    """Show one property: what it states, why it matters, what it does not see, how to fix what breaks it, and its code."""
    import difflib

    from rnncheck.faces.explained import explained

    catalog = _catalog(properties_from)
    if id not in catalog:
        close = difflib.get_close_matches(id[:100], catalog, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise UsageError(f"no property {quoted(id)}{hint} See: rnncheck list")
    for line in explained(catalog[id]):
        click.echo(line)
    return 0


@cli.command("replay")
@click.argument("file", type=click.Path())
@click.option("--target", metavar="TARGET", help="Run on this implementation instead of the one in the case file.")
@click.option("--against", metavar="REF", help="Use this reference instead of the one in the case file.")
@properties_from_option
@click.option("--trust", is_flag=True, help="Let FILE import code from outside the current folder.")
@click.option("--engine", default="processes", type=click.Choice(["processes", "inline"]), show_default=True)
def replay_command(file: str, target: str | None, against: str | None, trust: bool, engine: str, **options: Any) -> int:
    """Run one stored failing case again, in detail: shapes, the first wrong step, expected and actual around it.

    FILE may come from anyone. With --target, nothing that it names is imported; without, what it names is imported only
    from the current folder, or from anywhere with --trust.
    """
    for named in filter(None, (target, against)):
        for place in TypedName.of(named).places:
            require_there(place)
    from rnncheck.campaign.replay import replay
    from rnncheck.report.text import failure_text

    def tell(line: str) -> None:
        click.echo(f"rnncheck: {line}", err=True)

    done = replay(file, target, engine, against=against, trust=trust, tell=tell, **options)
    if done.verdict.red:
        click.echo(failure_text(done.subject, done.verdict))
        return 1
    why = f"\n  {done.verdict.reason}" if done.verdict.verdict != "holds" and done.verdict.reason else ""
    words = f"{done.verdict.property} {done.verdict.verdict.replace('_', ' ')} for {one_line(done.subject)}"
    click.echo(plain(f"{words}{why}\n  case: {done.verdict.case}"))
    return 0 if done.verdict.verdict == "holds" else 3


COMMANDS = (
    cases_command, demo_command, doctor_command, record_command, diff_command, gate_command, merge_command, read_command,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)


def _catalog(properties_from: tuple[str, ...]) -> "Mapping[str, Property]":
    """Every property, those of these files too."""
    from rnncheck.catalog import CATALOG

    if properties_from:
        from rnncheck.campaign.importing import properties

        properties(properties_from)
    return CATALOG


def _card(prop: "Property") -> dict[str, Any]:
    return {
        "id": prop.id,
        "statement": prop.statement,
        "formula": prop.formula,
        "kind": prop.kind,
        "severity": prop.severity,
        "source": prop.source,
        "applies": prop.applies.words,
        "needs": ", ".join(prop.needs),
    }


def supervised_main() -> None:
    """Run the command line in a process of its own: however that ends, the exit code of this one says so."""
    open_standard_streams()
    code = supervised(command_line)
    gc.freeze()  # at the exit, the collector would look through all that was imported, for nothing
    sys.exit(code)


def main() -> None:
    """Run the command line in this process."""
    sys.exit(command_line())


def command_line() -> int:
    """Return the exit code of the command line; wrong usage is one line on stderr and 2."""
    with forgiving_streams():
        return _run()


def _run() -> int:
    try:
        require_folder()
        with counted_from(time.monotonic()):
            return cli.main(standalone_mode=False) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        message = error.format_message()
        if plain(message, LONGEST_USAGE) == message:
            error.show()
        else:  # what it quotes is not fit to be shown
            click.echo(f"Error: {one_line(message)}", err=True)
    except UsageError as error:
        click.echo(f"rnncheck: {plain(error)}", err=True)
    except (click.Abort, KeyboardInterrupt):
        click.echo("rnncheck: interrupted", err=True)
        return 3
    return 2
