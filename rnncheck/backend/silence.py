"""What torch's compilers log and print where they give up is no part of a report."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def errors_alone(logger: str) -> Iterator[None]:
    """Inside, nothing below an error is logged."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def silent_export() -> Iterator[None]:
    """Inside, torch.export prints no graph, nor which symbol it stopped at: what it raises says so."""
    with errors_alone("torch.fx.experimental.symbolic_shapes"), redirect_stderr(io.StringIO()):
        yield
