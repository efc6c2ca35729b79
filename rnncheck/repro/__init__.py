"""The smallest failing case as a script that needs nothing but torch and the subject's own module."""

from rnncheck.repro.pytest_file import snippet, snippet_name
from rnncheck.repro.run import Runs, reproduces
from rnncheck.repro.script import deadly_script, script

__all__ = ["Runs", "deadly_script", "reproduces", "script", "snippet", "snippet_name"]
