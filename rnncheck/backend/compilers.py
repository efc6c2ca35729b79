"""What torch's compilers import when they are first used, which takes seconds: forked processes share what their parent has."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from rnncheck.system.collector import uncollected

PROBED = ("torch._dynamo", "torch.export._trace", "torch._decomp.decompositions_for_jvp")
"""What the probe of a layer imports, to find out whether it can be exported and has tangents, and so does each worker later."""
USERS = frozenset({"compile", "export", "jvp", "meta", "onnx"})
"""The features that import it."""
ALL = (*PROBED, "torch.onnx", "torch.onnx._internal.exporter._core", "onnxscript")


def import_compilers(modules: Sequence[str] = ALL) -> None:
    """Import them here, so that none of several processes need; what is not installed is left out.

    What torch warns of while it imports itself is nobody's concern here, also where warnings are made errors.
    """
    with uncollected(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            with suppress(ImportError):
                import_module(name)
