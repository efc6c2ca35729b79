"""``rnncheck merge``: the shards of a run as one report, those of a recording as one bundle."""

from pathlib import Path
from typing import Any

import click

from rnncheck.core.plain_text import one_line
from rnncheck.errors import UsageError
from rnncheck.faces.bundles import SUFFIX
from rnncheck.faces.gate import of_the_whole, tell
from rnncheck.faces.report_files import report_options, take_files, write_reports


@click.command("merge")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--config", type=click.Path(dir_okay=False), metavar="F", help="Hold the whole to this file, as rnncheck gate does.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="BUNDLE", help="Where to write the joined bundle.")
@report_options
@click.option("--verbose", "-v", is_flag=True, help="Show every verdict in tables, and each failure in full.")
def merge_command(files: tuple[str, ...], config: str | None, output: str | None, verbose: bool, **options: Any) -> int:
    """Join the JSON reports of all shards (rnncheck verify --shard 1/5 --json FILE) into the report of one run.

    Nothing that the files name is imported or run. Exit codes are those of rnncheck verify. With -o BUNDLE the files are those of
    rnncheck record --shard, and become one bundle.
    """
    wanted = take_files(options)
    if output is not None or files[0].endswith(SUFFIX):
        return _join(files, output)
    from rich.console import Console

    from rnncheck.campaign.merge import merge
    from rnncheck.campaign.store import FOLDER
    from rnncheck.faces.config_file import read_config
    from rnncheck.report.terminal import print_report

    told = None if config is None else read_config(Path(config))
    report = merge([Path(file) for file in files], FOLDER)
    if told is not None:
        return tell(of_the_whole(told, report), wanted)
    code = write_reports(report, wanted, report.exit_code)
    print_report(report, Console(stderr="-" in wanted.values()), verbose=verbose)
    return code


def _join(files: tuple[str, ...], output: str | None) -> int:
    from rnncheck.bundle import join, write

    if output is None:
        raise UsageError("bundles are joined into a file: rnncheck merge BUNDLE... -o BUNDLE")
    bundle = join([Path(file) for file in files])
    size = write(bundle, Path(output))
    click.echo(one_line(f"{len(bundle.recorded)} cases of {bundle}: {size:,} bytes in {output}"))
    return 0
