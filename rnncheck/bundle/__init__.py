"""What a layer did on one machine, kept in a file, and held against what a layer does on another."""

from rnncheck.bundle.content import Bundle, Recorded
from rnncheck.bundle.diff import diff
from rnncheck.bundle.file import BundleError, read, write
from rnncheck.bundle.join import join
from rnncheck.bundle.record import record

__all__ = ["Bundle", "BundleError", "Recorded", "diff", "join", "read", "record", "write"]
