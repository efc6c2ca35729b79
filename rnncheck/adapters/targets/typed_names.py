"""Targets whose types come from elsewhere, as one name: ``package.kernels:chunk typed by mine.py:stub, time steps``."""

import re
from dataclasses import dataclass

PATTERN = re.compile(r"(?P<target>.*?)(?: typed by (?P<typed>.*?))?(?:, time (?P<time>\w+))?", re.DOTALL)


@dataclass(frozen=True)
class TypedName:
    """A target, the stub that says its types, and what its axis of time is called; None where they are not said.

    >>> str(TypedName.of("kernels:chunk typed by mine.py:stub"))
    'kernels:chunk typed by mine.py:stub'
    """

    target: str
    typed: str | None = None
    time: str | None = None

    @classmethod
    def of(cls, name: str) -> "TypedName":
        """Take a name apart."""
        found = PATTERN.fullmatch(name)
        assert found is not None
        return cls(**found.groupdict())

    @property
    def places(self) -> list[str]:
        """What is imported."""
        return [self.target, *([self.typed] if self.typed else [])]

    def __str__(self) -> str:
        return self.target + (f" typed by {self.typed}" if self.typed else "") + (f", time {self.time}" if self.time else "")
