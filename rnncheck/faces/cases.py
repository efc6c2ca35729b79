"""``rnncheck cases``: cases with their right results, for implementations in other languages."""

from pathlib import Path

import click

from rnncheck.core.kinds import MODES
from rnncheck.core.plain_text import one_line
from rnncheck.faces.numbers import whole_number


@click.command("cases")
@click.argument("mode", type=click.Choice(MODES))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE", help="The file to write.")
@click.option("--max-examples", default=40, type=whole_number("max_examples"), metavar="N", show_default=True, help="Cases.")
@click.option("--seed", default=0, type=whole_number("seed"), metavar="N", help="Seed of the cases.")
def cases_command(mode: str, output: str, max_examples: int, seed: int) -> int:
    """Write cases of MODE to FILE: inputs, parameters, right results, and the error that each number may have.

    For a port to JAX, MLX, Rust or C++: docs/bundles.md describes the file, examples/check_port.py reads it with numpy alone.
    """
    from rnncheck.bundle.portable import portable

    size = portable(mode, Path(output), cases=max_examples, seed=seed)
    click.echo(one_line(f"{max_examples} cases of {mode}: {size:,} bytes in {output}"))
    return 0
