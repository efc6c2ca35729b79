"""A subject that factorizes matrices: torch cannot where one holds NaN, or numbers so large that its diagonal is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from rnncheck.core.subject import NotClaimed
from rnncheck.running.subject_errors import SubjectError


@contextmanager
def factorizing(given: tuple[Tensor, tuple[Tensor, ...] | None]) -> Iterator[None]:
    """Inside, an error of torch.linalg is a refusal where such numbers are given: input, and state if any."""
    try:
        yield
    except SubjectError as error:
        x, state = given
        if issubclass(type(error.cause), torch.linalg.LinAlgError) and any(map(_is_beyond, (x, *(state or ())))):
            raise NotClaimed("torch.linalg cannot factorize a matrix of NaN, of infinite or of very large numbers") from error
        raise


def _is_beyond(tensor: Tensor) -> bool:
    """Whether it has numbers that are not finite, or so large that 1 is lost beside their squares."""
    largest = torch.finfo(tensor.dtype).eps ** -0.5
    return not bool((tensor.detach().abs() < largest).all())
