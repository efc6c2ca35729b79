"""How a target is read: which argument and which result is what, on which axes, and how that is known."""

from rnncheck.reading.adapter import adapted
from rnncheck.reading.build import behind_torchs_call
from rnncheck.reading.reading import Reading

__all__ = ["Reading", "adapted", "behind_torchs_call"]
