"""What a bundle holds: for each case, what a subject returned, and the gradients where it was in training."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rnncheck.core.case import Case
from rnncheck.core.config import Mode
from rnncheck.core.run import Run
from rnncheck.core.values import Values


@dataclass(frozen=True, eq=False)
class Measured:
    """What is recorded of a typed recurrence, whose numbers no equations say.

    numbers:      its parameters and buffers, by its own names
    allowed:      how far each result may be off, as measured on it
    of_gradients: the same of the gradients, by their names
    """

    numbers: Mapping[str, Tensor]
    allowed: Run
    of_gradients: Mapping[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Everything in it, by name."""
        allowed = {f"allowed/{name}": part for name, part in self.allowed.parts()}
        allowed |= {f"allowed/gradient/{name}": part for name, part in self.of_gradients.items()}
        return allowed | {f"number/{name}": part for name, part in self.numbers.items()}


@dataclass(frozen=True, eq=False)
class Recorded:
    """One case and what came of it, on the CPU.

    case:      with the device and the backend switches that it was run with
    run:       output and final states, None where the subject raised
    gradients: of ``cotangents(case, run)``, by "input", "h_0", "c_0" and each parameter's name; None where nothing flows;
               empty in eval()
    error:     what the subject raised, as one line
    measured:  what is recorded of a typed recurrence; None of a layer with torch's equations
    """

    case: Case
    run: Run | None = None
    gradients: Mapping[str, Tensor | None] = field(default_factory=dict)
    error: str | None = None
    measured: Measured | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Everything recorded, by name."""
        results = {} if self.run is None else dict(self.run.parts())
        results |= {f"gradient/{name}": value for name, value in self.gradients.items() if value is not None}
        return results | ({} if self.measured is None else self.measured.tensors())


@dataclass(frozen=True, eq=False)
class Bundle:
    """What one subject did on one device.

    subject:     its name; modes: those it implements
    environment: versions, device and flags, as rnncheck.environment and rnncheck.bundle.record say them
    """

    subject: str
    modes: tuple[Mode, ...]
    seed: int
    environment: Mapping[str, Any]
    recorded: tuple[Recorded, ...]

    @property
    def device(self) -> str:
        """The device that it was recorded on."""
        return str(self.environment["device"])

    def __str__(self) -> str:
        return f"{self.subject} recorded on {self.device} ({self.environment['device_name']})"


def cotangents(case: Case, run: Run) -> Run:
    """Generic weights of each element of the results: the loss whose gradients are recorded is their weighted sum."""
    return Run(*(
        Values().tensor(tuple(part.shape), case.seed, f"cotangent of {name}").to(part) for name, part in run.parts()
    ))  # fmt: skip


def raw(tensor: Tensor) -> bytes:
    """The numbers of a tensor as they lie in memory, contiguous, in order."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, dtypes, shapes and every bit.

    >>> digest({"a": torch.zeros(2)}) == digest({"a": -torch.zeros(2)})
    False
    """
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(raw(tensor))
    return found.hexdigest()


def given(case: Case) -> dict[str, Tensor]:
    """All that a case gives to a layer, by name, on the CPU: the same bits on every machine, or the digest tells."""
    here = case.but(device="cpu")
    states = zip(("h_0", "c_0"), here.initial_state() or (), strict=False)
    return {"input": here.input_tensor(), **dict(states), **here.parameters()}
