"""Mutants: every historic bug of bugs.txt planted in a clean recurrent layer, and more of our own."""

from importlib import import_module

from .registry import MUTANTS, Mutant

__all__ = ["FILES", "MUTANTS", "NOT_PLANTED", "Mutant"]

FILES = ("forward gates direction lengths dropout initial edge refusals gradient graph history memory numeric tools "
         "caller cells clipping clipping_more").split()  # fmt: skip
"""Where the mutants are."""

for _file in FILES:
    import_module(f"{__name__}.{_file}")

NOT_PLANTED: dict[str, str] = {}
"""Historic bugs that are not planted, with the reason."""
