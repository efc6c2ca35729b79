"""Numbers on the command line, within the bounds that rnncheck.verify has for them."""

from typing import Any

import click

from rnncheck.core.bounds import WHOLE
from rnncheck.core.plain_text import quoted


class whole_number(click.ParamType):
    """A whole number within the bounds of an option; anything else is refused in one line."""

    name = "whole number"

    def __init__(self, option: str) -> None:
        self.least, self.most = WHOLE[option]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that was written."""
        try:
            number = int(value)
        except ValueError:  # also more digits than Python reads
            number = None
        if number is None or not self.least <= number <= self.most:
            self.fail(f"{quoted(value)} is not a whole number from {self.least} to {self.most}", param, ctx)
        return number
