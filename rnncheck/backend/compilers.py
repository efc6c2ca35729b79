"""What torch's compilers import when they are first used, which takes seconds: forked workers share what their parent has."""

from contextlib import suppress
from importlib import import_module

MODULES = ("torch._dynamo", "torch.export", "torch.onnx", "torch.onnx._internal.exporter._core", "onnxscript")


def import_compilers() -> None:
    """Import them here, so that each of several workers need not; what is not installed is left out."""
    for name in MODULES:
        with suppress(ImportError):
            import_module(name)
