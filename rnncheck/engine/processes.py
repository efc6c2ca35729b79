"""The default engine: workers in processes of their own. One that crashes or hangs costs its check, and no more."""

import math
import os
import resource
import select
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from rnncheck.core.verdict import Outcome, Status
from rnncheck.engine.channel import Garbled
from rnncheck.engine.current_check import Entry
from rnncheck.engine.fatal_shrinking import Keeper, time_limit
from rnncheck.engine.jobs import CASE_SECONDS, GIVE_UP, PROBE, Done, Job, WorkerContext
from rnncheck.engine.memory import GIB, share
from rnncheck.engine.process import Worker
from rnncheck.engine.task import Task
from rnncheck.engine.worker import Mistake, Partly
from rnncheck.system.signals import children_reported

PROBE_SECONDS = 60.0
GRACE = 0.5
"""Seconds that a check in progress is given when its job's time is up."""
AHEAD = 6
"""Jobs for each worker that are taken before the first of them is given back."""
DOUBT = 0.8
"""The part of the time left that a check may take where the subject's probe has hung before."""
TICK = 0.05
DYING = 3.0
"""Seconds that a process is given to end after its pipes are closed."""
IDLE = 8
"""Workers that are kept without work, each for its subject."""
KEEPER = -1
FILES = 40
"""File descriptors that are kept for everything else."""


class WorkerMistake(RuntimeError):
    """rnncheck's own code raised inside a worker; the message is the traceback there."""


class Processes:
    """Does jobs in ``jobs`` workers (default: one a core), each forked from this process to serve one subject.

    case_seconds: wall time of one check until it counts as hung
    memory:       bytes that a worker may take beyond what it starts with; default: see rnncheck.engine.memory.share
    nested:       whether this engine serves a keeper, and needs none itself
    """

    def __init__(self, workshop: WorkerContext, jobs: int | None = None, *, case_seconds: float = CASE_SECONDS,
                 memory: int | None = None, note: str | None = None, nested: bool = False) -> None:  # fmt: skip
        self.workshop = workshop
        self.jobs = min(jobs or cores(), room())
        self.case_seconds = case_seconds
        self.memory = memory or share(self.jobs)
        self.note = note
        self.nested = nested
        self.busy: dict[Worker, Task] = {}
        self.idle: deque[Worker] = deque()
        self.tasks: deque[Task] = deque()
        self.deadly: dict[tuple[int, Any, str], Outcome] = {}
        self.blamed: list[tuple[int, int, Outcome]] = []
        self.red: set[tuple[int, str]] = set()

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """In the order of the jobs. At an interrupt, what the jobs have come to so far is given back first."""
        with children_reported():
            yield from self._run(jobs)

    def _run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        coming, places = iter(jobs), count()
        self.tasks, self.blamed, given = deque(), [], 0
        try:
            while True:
                while self.tasks and self.tasks[0].done:
                    given += 1
                    yield self.tasks.popleft().done  # type: ignore[misc]
                self._take(coming, places, given)
                if not self.tasks:
                    return
                self._dispatch()
                self._listen()
        except KeyboardInterrupt:
            for task in self.tasks:
                if task.outcomes or task.done:
                    yield task.done or Done(task.job, tuple(task.outcomes), lost="interrupted")
            raise
        finally:
            for worker in self.busy:
                worker.close()
            self.busy.clear()

    def close(self) -> None:
        """Kill every worker."""
        for worker in (*self.busy, *self.idle):
            worker.close()
        self.busy.clear()
        self.idle.clear()

    # jobs out --------------------------------------------------------------------------------------------------------

    def _take(self, coming: Iterator[Job], places: Iterator[int], given: int) -> None:
        while len(self.tasks) < AHEAD * self.jobs:
            job = next(coming, None)
            if job is None:
                return
            now = time.monotonic()
            task = Task(job, next(places), given, now + job.seconds, over=now + job.patience)
            task.apart = job.kind == "shrink" and task.case in self.deadly
            self.tasks.append(task)

    def _dispatch(self) -> None:
        at_work = {id(task) for task in self.busy.values()}
        for task in self.tasks:
            if len(self.busy) >= self.jobs:
                return
            if task.done is None and id(task) not in at_work:
                self._trim(task)
            if task.done is None and id(task) not in at_work:
                try:
                    self._give(task)
                except OSError as error:  # neither a process nor a pipe more is to be had, for now or for good
                    if self.idle:
                        self.idle.popleft().close()
                    elif not self.busy:
                        task.finish(lost=f"no worker could be started: {error.strerror}")
                    return

    def _trim(self, task: Task) -> None:
        """Leave out what earlier jobs have shown to be hopeless since this one was made, or has no time left."""
        if time.monotonic() > task.over:
            task.finish()
        if task.job.kind != "judge":
            return
        if not (task.job.least or time.monotonic() <= task.end) or not any(task.rest.properties):
            task.finish()
            return
        known = [outcome for position, subject, outcome in self.blamed
                 if task.known <= position <= task.position and subject == task.job.subject]  # fmt: skip
        if len({outcome.property for outcome in known}) >= GIVE_UP:
            task.finish()
        else:
            task.drop({outcome.property for outcome in known if outcome.status == "hung"})

    def _give(self, task: Task) -> None:
        worker = self._worker(task)
        self.busy[worker] = task
        task.began = time.monotonic()
        seconds = task.end - task.began if task.job.kind == "judge" else min(task.rest.seconds, task.over - task.began)
        most = max(seconds, task.job.least)
        task.latest = min(task.over, task.began + most + max(GRACE, seconds if task.apart else 0.0))
        try:
            worker.give(replace(task.rest, seconds=seconds))
            task.queued = worker.queued
        except OSError:  # it died while it had nothing to do: another one will take the task
            self._part(worker, task)
            worker.close()

    def _worker(self, task: Task) -> Worker:
        subject, others = task.job.subject, (*self.busy, *self.idle)
        if task.apart:
            keeper = Keeper(self.workshop, self._nested, self.case_seconds, self.deadly.get(task.case))
            return Worker(keeper.do, KEEPER, others)
        for worker in self.idle:
            if worker.subject == subject and not worker.has_ended():
                self.idle.remove(worker)
                return worker
        return Worker(self.workshop.do, subject, others)

    def _nested(self, case_seconds: float) -> "Processes":
        return Processes(self.workshop, 1, case_seconds=case_seconds, memory=self.memory, nested=True)

    # results in ------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        poll = select.poll()
        for worker in self.busy:
            for fd in worker.sources():
                poll.register(fd, select.POLLIN)
        if self.busy:
            poll.poll(TICK * 1000)
        for worker, task in list(self.busy.items()):
            ended = worker.has_ended()  # asked first: what it said before it ended is heard all the same
            if not self._hear(worker, task) and (ended or time.monotonic() > worker.looked + TICK):
                self._look_after(worker, task, ended)

    def _hear(self, worker: Worker, task: Task) -> bool:
        """Take what the worker says; whether it is done with its task, well or badly."""
        try:
            for message in worker.listen():
                if isinstance(message, Mistake):
                    raise WorkerMistake(f"in a worker:\n{message.text}")
                if isinstance(message, Partly):
                    task.partly = message.done
                    continue
                if isinstance(message, Done):
                    self._part(worker, task)
                    task.finish(message)
                    self._keep(worker)
                    return True
                task.outcomes.append(message)
                if message[1].red:
                    self.red.add((task.job.subject, message[1].property))
        except Garbled as error:
            self._bury(worker, task, "crashed", f"the worker no longer knew what it did: {error}", task.next())
            return True
        return False

    def _look_after(self, worker: Worker, task: Task, ended: bool) -> None:
        entry = worker.look()
        what = None if entry is None else entry.what
        limit = self._limit(what, task)
        if ended:
            self._bury(worker, task, "crashed", "")
        elif worker.inbox.ended:
            self._bury(worker, task, "crashed", "" if worker.ends_within(DYING) else "it closed the pipe to its parent")
        elif self.memory is not None and worker.grown() > self.memory:
            self._bury(worker, task, "crashed", f"killed: more than {self.memory / GIB:.2g} GiB of memory")
        elif worker.quiet > limit:
            self._bury(worker, task, "hung", f"did not end within {limit:.3g} s")
        elif task.job.kind != "probe" and time.monotonic() > min(task.over, task.latest + self._queued(worker, task)):
            self._part(worker, task)
            worker.close()
            task.cut(what or "a worker", worker.quiet)

    @staticmethod
    def _queued(worker: Worker, task: Task) -> float:
        """Seconds that a worker waited for a core, which do not count where it is given some in any case."""
        return worker.queued - task.queued if task.job.least else 0.0

    def _limit(self, what: str | None, task: Task) -> float:
        """Seconds that this may take."""
        if task.apart:
            return math.inf  # it keeps to the job's seconds itself
        if what == PROBE:
            return min(max(PROBE_SECONDS, self.case_seconds), task.job.seconds)
        limit = time_limit(self.workshop.catalog.get(what or ""), self.case_seconds)
        return min(limit, DOUBT * max(task.end - task.began, task.job.least)) if task.job.doubtful else limit

    def _bury(self, worker: Worker, task: Task, status: Status, reason: str, entry: Entry | None = None) -> None:
        """A worker that is dead, or is to be: what it was doing (the entry, else its record) is to blame."""
        self._part(worker, task)
        entry = entry or worker.record.read()
        where = worker.where_it_is() if status == "hung" else ""  # being asked may wake it, and then it goes on
        worker.end()
        reason = "\n".join(filter(None, (reason, where))) or worker.how_it_ended()
        worker.close()
        blamed = task.buried(entry, status, reason)
        if blamed is not None:
            place, outcome = blamed
            if task.job.kind == "judge" and (task.job.subject, outcome.property) not in self.red:
                self.blamed.append((task.position, task.job.subject, outcome))
            for name in task.job.properties[place] if outcome.of_run else (outcome.property,):
                self.deadly[task.job.subject, task.job.cases[place], name] = replace(outcome, property=name)
        if task.apart and self.nested and task.done is None:
            task.finish(lost=f"{status} while it was being explained: {reason}")

    def _part(self, worker: Worker, task: Task) -> None:
        del self.busy[worker]
        task.seconds += time.monotonic() - task.began

    def _keep(self, worker: Worker) -> None:
        """It may have more to do for its subject."""
        if worker.subject == KEEPER:
            worker.close()
            return
        self.idle.append(worker)
        if len(self.idle) > min(max(IDLE, self.jobs), room()):
            self.idle.popleft().close()


def room() -> int:
    """Return how many workers there are file descriptors for, three for each."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(1, (limit - FILES) // 6)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
