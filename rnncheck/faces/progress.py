"""What a terminal shows while a run goes on: what is being done, how far it is, and the failures as they are found."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from rnncheck.core.plain_text import plain

LATEST = 5
"""Failures that are shown while the run goes on."""


class _Progress(Progress):
    """A progress bar with the latest failures below it, as they are found."""

    found: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.found:
            from rnncheck.report.words import count  # imports torch, and the bar is there before that

            yield Text(f"{count(len(self.found), 'property')} failing so far, to be made small:", style="bold red")
            yield from (Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in self.found[-LATEST:])


class ProgressBar:
    """A progress bar on stderr, only on a terminal."""

    def __enter__(self) -> "ProgressBar":
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self.bar = _Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.bar.start()
        self.task = self.bar.add_task("looking at the target", total=None)
        return self

    def __call__(self, what: str, done: int, planned: int) -> None:
        self.bar.update(self.task, description=what, completed=done, total=planned or None)

    def found(self, subject: str, property: str, what: str) -> None:
        """Show a failure at once; the report tells it once more, when its case is small and its cause known."""
        self.bar.found += (plain(f"{property}  {what.splitlines()[0]}"),)
        self.bar.refresh()

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()
