"""``rnncheck merge``: the shards of a run as one report."""

from pathlib import Path
from typing import Any

import click

from rnncheck.faces.gate import of_the_whole, tell
from rnncheck.faces.report_files import report_options, take_files, write_reports


@click.command("merge")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--config", type=click.Path(dir_okay=False), metavar="F", help="Hold the whole to this file, as rnncheck gate does.")
@report_options
@click.option("--verbose", "-v", is_flag=True, help="Show every verdict in tables, and each failure in full.")
def merge_command(files: tuple[str, ...], config: str | None, verbose: bool, **options: Any) -> int:
    """Join the JSON reports of all shards (rnncheck verify --shard 1/5 --json FILE) into the report of one run.

    Nothing that the files name is imported or run. Exit codes are those of rnncheck verify.
    """
    wanted = take_files(options)
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
