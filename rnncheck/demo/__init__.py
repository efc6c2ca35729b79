"""Two layers as people write them by hand, and five real mistakes, one line each, for ``rnncheck demo``."""

from rnncheck.demo.mistakes import MISTAKES, Mistake, written

__all__ = ["MISTAKES", "Mistake", "written"]
