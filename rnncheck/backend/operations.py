"""A mode that sees each of torch's operations, and does not need torch's compiler."""

from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """A dispatch mode whose own code is never compiled: torch loads its compiler, which takes seconds, to except it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
