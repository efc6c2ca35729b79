"""Where work is done: in this process, in isolated workers, or on many machines; one small protocol."""

from rnncheck.engine.inline import Inline
from rnncheck.engine.jobs import Done, Engine, Job, WorkerContext
from rnncheck.engine.select import make_engine

__all__ = ["Done", "Engine", "Inline", "Job", "WorkerContext", "make_engine"]
