"""``rnncheck record`` and ``rnncheck diff``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from rnncheck.core.plain_text import one_line, plain, quoted
from rnncheck.errors import UsageError
from rnncheck.faces.numbers import whole_number
from rnncheck.faces.report_files import report_options, take_files, write_reports

if TYPE_CHECKING:
    from rnncheck.bundle import Bundle
    from rnncheck.core.case import Switch
    from rnncheck.core.subject import Subject

CASES = 40
DTYPES = ("float64", "float32", "bfloat16", "float16")
"""What rnncheck.bundle.record and rnncheck.core.case say, without the import of torch."""
SUFFIX = ".safetensors"
INCOMPLETE = 3


@click.command("record")
@click.argument("target")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="BUNDLE", help="The file to write.")
@click.option("--device", default="cpu", metavar="cpu|cuda|cuda:1|mps|xpu", help="Where to run.")
@click.option("--as", "kind", type=click.Choice(["layer", "cell"]), help="What TARGET is, if rnncheck cannot tell.")
@click.option("--typed", metavar="STUB", help="A function that has TARGET's parameter names and is annotated.")
@click.option("--time", metavar="NAME", help="What the axis of time is called in the annotations.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(list(DTYPES)))
@click.option("--max-examples", default=CASES, type=whole_number("max_examples"), metavar="N", show_default=True, help="Cases.")
@click.option("--seed", default=0, type=whole_number("seed"), metavar="N", help="Seed of the cases.")
@click.option("--switches", metavar="NAME[,NAME]", help="Backend switches for every case, e.g. onednn_off or cudnn_off,tf32.")
@click.option("--shard", metavar="2/5", help="Record only this part of the cases; rnncheck merge -o joins the bundles.")
def record_command(target: str, output: str, device: str, switches: str | None, **options: Any) -> int:
    """Run TARGET on a set of cases and store the results in BUNDLE, to compare with rnncheck diff on any machine."""
    from rnncheck.backend.devices import is_here
    from rnncheck.bundle import record, write
    from rnncheck.bundle.record import one_device

    if not is_here(one_device(device)):
        return _absent(device, "nothing was recorded")
    options["dtypes"] = options["dtypes"] or None
    bundle = record(target, device=device, switches=_switches(switches), **options)
    size = write(bundle, Path(output))
    failed = [one for one in bundle.recorded if one.error is not None]
    click.echo(one_line(f"{len(bundle.recorded)} cases of {bundle}: {size:,} bytes in {output}"))
    if failed:
        click.echo(plain(f"{len(failed)} of them raised; the first: {failed[0].error}\n  case: {failed[0].case}"))
    return 1 if failed else 0


@click.command("diff")
@click.argument("bundle")
@click.argument("other", metavar="TARGET-or-BUNDLE")
@click.option("--device", default="cpu", metavar="cpu|cuda|cuda:1|mps|xpu", help="Where to run TARGET.")
@click.option("--as", "kind", type=click.Choice(["layer", "cell"]), help="What TARGET is, if rnncheck cannot tell.")
@click.option("--typed", metavar="STUB", help="A function that has TARGET's parameter names and is annotated.")
@click.option("--time", metavar="NAME", help="What the axis of time is called in the annotations.")
@click.option("--switches", metavar="NAME[,NAME]", help="Run TARGET with these backend switches instead of each case's own.")
@click.option("--shard", metavar="2/5", help="Compare only this part of the cases; each part has its own exit code.")
@click.option("--case", "only", type=whole_number("case"), metavar="N", help="Compare only the case with this number.")
@click.option("--engine", default="processes", type=click.Choice(["processes", "inline", "ray"]), show_default=True)
@click.option("--jobs", type=whole_number("jobs"), metavar="N", help="Number of workers; default: one per core.")
@report_options
def diff_command(bundle: str, other: str, device: str, switches: str | None, **options: Any) -> int:
    """Compare the results in BUNDLE with the equations, and with TARGET run here or with another bundle.

    The tolerance is the rounding of both sides. Exit codes are those of rnncheck verify.
    """
    files = take_files(options)
    from rich.console import Console

    from rnncheck.backend.devices import is_here
    from rnncheck.bundle import diff, read
    from rnncheck.bundle.record import one_device
    from rnncheck.report.terminal import print_report

    recorded = read(Path(bundle))
    if not is_here(one_device(device)):
        return _absent(device, "nothing was compared")
    how = {name: options.pop(name) for name in ("kind", "typed", "time")}
    chosen, found = _switches(switches), _other(other, **how)
    given = {"--as": how["kind"], "--typed": how["typed"], "--time": how["time"], "--switches": switches}
    given["--device"] = None if device == "cpu" else device
    again = " ".join([f"rnncheck diff {bundle} {other}", *(f"{name} {value}" for name, value in given.items() if value)])
    report = diff(recorded, found, device=device, switches=chosen, again=again, **options)
    code = write_reports(report, files, report.exit_code)
    print_report(report, Console(stderr="-" in files.values()))
    return code


def _other(name: str, **how: str | None) -> "Bundle | Subject":
    """A bundle where it is named like one, else the target of that name."""
    from rnncheck.bundle import read
    from rnncheck.bundle.record import one_layer

    return read(Path(name)) if name.endswith(SUFFIX) and ":" not in name else one_layer(name, **how)


def _switches(words: str | None) -> "tuple[Switch, ...] | None":
    if words is None:
        return None
    from rnncheck.core.case import Switch

    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in get_args(Switch):
            raise UsageError(f"--switches = {quoted(words)}, but should be among {', '.join(get_args(Switch))}")
    return tuple(names)  # type: ignore[arg-type]


def _absent(device: str, so: str) -> int:
    click.echo(f"Incomplete: there is no device {device} here; {so}.", err=True)
    return INCOMPLETE
