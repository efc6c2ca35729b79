"""What of a call, and of what it returns, is not read."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rnncheck.reading.calls.call_arguments import is_state_word, state_parameters
from rnncheck.reading.calls.experiment import rows_tried, steps_tried
from rnncheck.reading.calls.results import Path, leaves


def unread_of(module: Any, result: Any, how: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what may be a state, or outputs, and is not read: arguments of a call, and parts of what it returns."""
    taken = [*(keyword for keyword, _ in how["given"]), *(one[0] for one in how.get("beside", ()))]
    arguments = [f"argument {p.name}" for p in state_parameters(module, how) if is_state_word(p.name) and p.name not in taken]
    return (*arguments, *(_told(path, t) for path, t in others(result, how) if _may_be_a_state(t, how)))


def extras_of(result: Any, how: Mapping[str, Any], given: Tensor) -> tuple[str, ...]:
    """Return what else comes back and is not read, such as the outputs of other layers; the input itself is nothing new."""
    extra = [(path, t) for path, t in others(result, how) if not _may_be_a_state(t, how) and t is not given]
    return tuple(_told(path, t) for path, t in extra)


def _may_be_a_state(tensor: Tensor, how: Mapping[str, Any]) -> bool:
    return rows_tried() in tensor.shape and (how["last"] or steps_tried() not in tensor.shape)


def _told(path: Path, tensor: Tensor) -> str:
    return f"result{''.join(f'[{step!r}]' for step in path)} of shape {tuple(tensor.shape)}"


def others(result: Any, how: Mapping[str, Any]) -> list[tuple[Path, Tensor]]:
    """Return what comes back beside the output and the state."""
    known = [how["output"], *(how["states"] or [])]
    return [(path, t) for path, t in leaves(result) if not any(list(path[: len(one)]) == one for one in known)]


def with_rows(result: Any, how: Mapping[str, Any]) -> tuple[tuple[Path, int], ...]:
    """Return the paths to what comes back beside output and state and has a row for each sequence, and the axis of its rows."""
    found = ((path, list(tensor.shape)) for path, tensor in others(result, how))
    return tuple((path, sizes.index(rows_tried())) for path, sizes in found if sizes.count(rows_tried()) == 1)


def of_pairs_of_steps(tensor: Tensor) -> bool:
    """Return whether it has a number for each two steps of a sequence, as the weights of an attention over the steps do."""
    return rows_tried() in tensor.shape and list(tensor.shape).count(steps_tried()) == 2
