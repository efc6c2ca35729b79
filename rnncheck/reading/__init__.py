"""How a target is read: which argument and which result is what, on which axes, and how that is known."""

from rnncheck.reading.adapted import Adapted, AdaptedWithLengths
from rnncheck.reading.reading import Reading

__all__ = ["Adapted", "AdaptedWithLengths", "Reading"]
