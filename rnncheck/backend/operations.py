"""Sees each of torch's operations, without importing torch's compiler."""

from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """A dispatch mode that does not ask torch's compiler to leave it alone: torch would import the compiler first, for seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
