"""Many machines: each job is a Ray task, done by isolated workers of the machine that it lands on.

Ray brings the jobs to the nodes, and again to another one where a node is lost; a subject that crashes or hangs is seen
to by rnncheck's own workers there. A subject on a GPU gets a task with a GPU, and so a device of its own.
"""

import hashlib
import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rnncheck.engine.jobs import Done, Job, WorkerContext
from rnncheck.engine.serialise import Unpackable, pack
from rnncheck.engine.spawned import Spawned
from rnncheck.errors import UsageError

ADDRESS = "RNNCHECK_RAY_ADDRESS"
"""The environment variable that names the cluster."""
AHEAD = 2
"""Jobs for each place in the cluster that are taken before the first of them is given back."""
RETRIES = 5
"""How often Ray brings a job to another node."""
TICK = 1.0
ANSWER_SECONDS = 10.0


class Ray:
    """Does jobs on a Ray cluster.

    jobs:    tasks at a time; default: as many as the cluster has CPUs, asked again as it grows
    address: of the cluster ("auto", "ray://host:10001"); default: RNNCHECK_RAY_ADDRESS, else Ray's own default, which
             is the cluster that this machine belongs to, or a new one of this machine alone
    options: those of rnncheck.engine.Processes

    Raises UsageError where Ray is not installed, or no cluster answers, or a subject cannot be sent.
    """

    note: str | None = None

    def __init__(self, workshop: WorkerContext, jobs: int | None = None, *, address: str | None = None,
                 **options: Any) -> None:  # fmt: skip
        self.ray = _ray()
        self.jobs = jobs
        self.options = options
        try:
            packed = pack(workshop, elsewhere=True)
        except Unpackable as error:
            raise UsageError(f"engine = 'ray', but {error}") from None
        self.ours = not self.ray.is_initialized()
        if self.ours:
            _connect(self.ray, address or os.environ.get(ADDRESS))
        self.packed = self.ray.put(packed)
        self.task = self.ray.remote(do)
        self.refs: deque[tuple[Job, Any]] = deque()

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """In the order of the jobs."""
        coming = iter(jobs)
        try:
            while True:
                while len(self.refs) < AHEAD * self._places() and (job := next(coming, None)) is not None:
                    self.refs.append((job, self._submit(job)))
                if not self.refs:
                    return
                job, ref = self.refs[0]
                if self.ray.wait([ref], timeout=TICK)[0]:
                    self.refs.popleft()
                    yield self._result(job, ref)
        finally:
            self._cancel()

    def _places(self) -> int:
        return self.jobs or max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def _submit(self, job: Job) -> Any:
        gpus = any(str(getattr(case, "device", "cpu")).startswith("cuda") for case in job.cases)
        end = time.time() + job.seconds
        return self.task.options(num_cpus=1, num_gpus=int(gpus), max_retries=RETRIES).remote(
            self.packed, job, end, self.options)  # fmt: skip

    def _result(self, job: Job, ref: Any) -> Done:
        """What came of it; a job that no node could be found to finish is lost, and says so."""
        lost = self.ray.exceptions
        try:
            return replace(self.ray.get(ref), job=job)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError, lost.ObjectLostError) as error:
            return Done(job, lost=f"lost on the cluster, {RETRIES} times over: {type(error).__name__}")

    def _cancel(self) -> None:
        for _, ref in self.refs:
            self.ray.cancel(ref, force=True)
        self.refs.clear()

    def close(self) -> None:
        """Cancel what is under way, and leave the cluster."""
        if not self.ray.is_initialized():
            return
        self._cancel()
        if self.ours:
            self.ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise UsageError("engine = 'ray', but Ray is not installed; try: pip install 'rnncheck[ray]'") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started for this reports to nobody
    try:
        _knock(address or "")
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:  # a dozen kinds, by what is not there
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"engine = 'ray', but no cluster answers at {address or 'this machine'}: {reason}") from None


def _knock(address: str) -> None:
    """Raises OSError at once where nobody listens; Ray itself would go on trying for minutes."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()


_held: dict[str, Spawned] = {}
"""In a process of Ray's: the engine of the workshop that it does jobs for, kept from task to task."""


def do(packed: bytes, job: Job, end: float, options: dict[str, Any]) -> Done:
    """In a process of Ray's on some node: one job, by one isolated worker."""
    key = f"{hashlib.sha256(packed).hexdigest()} on {os.environ.get('CUDA_VISIBLE_DEVICES')}"
    if key not in _held:
        for other in list(_held):
            _held.pop(other).close()
        _held[key] = Spawned(packed, 1, **options)
    seconds = max(0.0, end - time.time()) if job.kind == "judge" else job.seconds
    (done,) = _held[key].run([replace(job, seconds=seconds)])
    return done
