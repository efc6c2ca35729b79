"""Recurrent layers inside a model that are written by hand: found by experiment, and looked at call by call."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from rnncheck.adapters.instance import config_of
from rnncheck.adapters.targets.locate import Located
from rnncheck.core.config import Config
from rnncheck.errors import UsageError
from rnncheck.nn.base import Recurrent
from rnncheck.reading import Reading
from rnncheck.reading.adapter.adapted import at
from rnncheck.reading.calls.results import leaves
from rnncheck.reading.target import read_target
from rnncheck.running.subject_errors import subject_boundary

MOST_SIZES = 16
"""Pairs of sizes with which a module is tried."""
KNOWN = (nn.RNNBase, nn.RNNCellBase, Recurrent)
"""Layers that need no reading, and what is inside them."""


def hand_written(model: nn.Module) -> dict[str, Reading]:
    """Return the readings of the innermost modules that are recurrences and none of torch's or ours, by name."""
    found: dict[str, Reading] = {}
    for name, module in reversed(list(model.named_modules())):
        inside = any(inner.startswith(f"{name}." if name else "") for inner in found)
        if inside or type(module).__module__.startswith("torch.nn.") or any(isinstance(m, KNOWN) for m in module.modules()):
            continue
        reading = _reading_of(name, module)
        if reading is not None:
            found[name or type(module).__name__] = reading
    return dict(reversed(found.items()))


def _reading_of(name: str, module: nn.Module) -> Reading | None:
    """How a module is called, where its configuration can be told and it is a recurrence."""
    if not any(True for _ in module.parameters()):
        return None
    for config, told in _configs(name, module):
        try:
            with subject_boundary("reading"):
                reading = read_target(module, config)
        except Exception:  # it is another kind of module, or of other sizes
            continue
        if told or (reading is not None and reading.called["states"] is not None):
            return reading
    return None


def _configs(name: str, module: nn.Module) -> Iterator[tuple[Config, bool]]:
    """The configuration that the module tells, or else those that its shapes leave open: then a state must show what it is."""
    try:
        yield config_of(Located(module, name or type(module).__name__), module), True
    except UsageError:
        shapes = [tuple(p.shape) for _, p in module.named_parameters() if p.dim() == 2]
        sizes = [pair for shape in shapes for turned in (shape, shape[::-1]) for pair in _sizes(*turned)]
        yield from ((Config("RNN_TANH", *pair), False) for pair in list(dict.fromkeys(sizes))[:MOST_SIZES])


def _sizes(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Input and hidden sizes of a matrix with the rows of some gates, for the input alone or for input and state."""
    for hidden in (rows // gates for gates in (1, 3, 4, 2) if rows % gates == 0):
        yield from ((size, hidden) for size in (columns - hidden, columns) if size > 0)


def findings(reading: Reading, input: Any, result: Any) -> Iterator[tuple[str, str]]:
    """Yield (kind, message) of what is wrong with one call of such a layer."""
    how = reading.called
    output = at(result, how["output"])
    if isinstance(output, Tensor) and isinstance(input, Tensor) and not (how["last"] or how["features_last"] or output.dim() < 3):
        axes = [0, 2] if how["input"] == "channels first" else [0, 1]
        sizes = [tuple(tensor.shape[axis] for axis in axes) for tensor in (output, input)]
        if sizes[0] != sizes[1]:
            yield "shape", f"output has {sizes[0]} steps and rows, but should have {sizes[1]}"
    for path, tensor in leaves(result):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            what = "output" if list(path) == how["output"] else f"result{''.join(f'[{step!r}]' for step in path)}"
            yield "non-finite", f"{what} has {int((~tensor.isfinite()).sum())} non-finite values of {tensor.numel()}"
