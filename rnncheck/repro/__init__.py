"""The smallest failing case as a script that needs nothing but torch and the subject's own module."""

from rnncheck.repro.run import reproduces
from rnncheck.repro.script import script

__all__ = ["reproduces", "script"]
