"""torch.onnx reads its hundreds of functions anew for each export, which takes seconds: here they are read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from typing import Any
from unittest.mock import patch

WHERE = "torch.onnx._internal.exporter._registration"


@contextmanager
def read_once() -> Iterator[None]:
    """Inside, an export takes the functions that were read for the first one; of a torch that has them elsewhere, its own."""
    try:
        registry = import_module(WHERE).ONNXRegistry
        own = registry.from_torchlib
    except (ImportError, AttributeError):
        yield
        return
    again = partial(_functions, own.__func__, registry)
    with patch.object(registry, "from_torchlib", staticmethod(again)):
        yield


@cache
def _functions(read: Any, registry: Any, *versions: Any, **named: Any) -> Any:
    return read(registry, *versions, **named)
