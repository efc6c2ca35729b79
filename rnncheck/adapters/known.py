"""What torch itself is known to break: declared deviations, each with its reason and the case that shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from rnncheck.adapters.constructor import Constructor
from rnncheck.adapters.instances import Instance
from rnncheck.adapters.torch_layers import TorchLike
from rnncheck.deviation import Deviation
from rnncheck.subject import Subject

CLIP = torch.nn.utils.clip_grad_norm_


@dataclass(frozen=True)
class Known:
    """A deviation of something of torch's own; whoever subclasses or copies it answers for themselves."""

    of: Callable[..., Any]
    deviation: Deviation


KNOWN: tuple[Known, ...] = ()


def known_deviations(subjects: Sequence[Subject]) -> list[Deviation]:
    """The deviations of those subjects that are torch's own, each in the name of its subject."""
    return [replace(known.deviation, subject=subject.name)
            for subject in subjects for known in KNOWN if known.of is target_of(subject)]  # fmt: skip


def target_of(subject: Subject) -> Any:
    """The class or function that a subject stands for; an instance's is its class."""
    build = subject.build
    if isinstance(build, TorchLike):
        return build.constructor
    if isinstance(build, Constructor):
        return build.target.object
    if isinstance(build, Instance):
        return type(build.target.object)
    return build


_ = nn
