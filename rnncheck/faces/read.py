"""``rnncheck read``: how a target is understood, as text that can be edited and given back."""

import sys
from contextlib import redirect_stdout

import click

from rnncheck.adapters.targets.locate import require_there


@click.command("read")
@click.argument("target")
@click.option("--as", "kind", type=click.Choice(["layer", "cell"]), help="What TARGET is, if rnncheck cannot tell.")
@click.option("--read", "said", multiple=True, metavar="WORD=VALUE", help="What to take for given.")
def read_command(target: str, kind: str | None, said: tuple[str, ...]) -> int:
    """Print how TARGET is built and called: TOML whose lines --read, rnncheck_read and [tool.rnncheck] take."""
    require_there(target)
    from rnncheck.adapters.targets.reading import reading_text
    from rnncheck.reading.said import from_words

    with redirect_stdout(sys.stderr):  # what a layer prints in a call is no part of the text
        text = reading_text(target, kind, from_words(said))
    click.echo(text)
    return 0
