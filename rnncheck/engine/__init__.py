"""Where work is done: in this process, in isolated workers, or on many machines; one small protocol."""

from rnncheck.engine.inline import Inline
from rnncheck.engine.make import make_engine
from rnncheck.engine.work import Done, Engine, Job, Workshop

__all__ = ["Done", "Engine", "Inline", "Job", "Workshop", "make_engine"]
