"""What torch's compilers log and print where they give up is no part of a report."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def errors_alone(logger: str, least: int = logging.ERROR) -> Iterator[None]:
    """Inside, nothing below an error, or below ``least``, is logged."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(least)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def silent_export() -> Iterator[None]:
    """Inside, torch.export prints no graph, nor which symbol it stopped at: what it raises says so."""
    with errors_alone("torch.fx.experimental.symbolic_shapes"), redirect_stderr(io.StringIO()):
        yield


@contextmanager
def silent_operators() -> Iterator[None]:
    """Inside, torch's compilers print no traceback of an operator that they cannot trace: what is raised says so."""
    with errors_alone("torch._subclasses.fake_tensor", logging.CRITICAL):
        yield
