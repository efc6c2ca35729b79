"""Which property is checked on which subject, on which cases, under which budget; and what is concluded."""

import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rnncheck.backend import own_functions
from rnncheck.campaign import store
from rnncheck.campaign.settings import PROFILES, Profile, Settings
from rnncheck.campaign.subject_run import Account, Docket
from rnncheck.core.deviation import Deviation
from rnncheck.core.subject import Subject
from rnncheck.engine.jobs import Done, Engine, Job
from rnncheck.report.model import Report
from rnncheck.repro import Runs, snippet, snippet_name
from rnncheck.system.signals import Stop, interruptible

__all__ = ["PROFILES", "Campaign", "Profile", "Progress", "Settings"]

LEAST_SHRINKING, MOST_SHRINKING = 0.5, 10.0
"""Seconds for one failing property."""
Progress = Callable[[str, int, int], None]
"""Told (what is being done, cases done, cases planned)."""


class Campaign:
    """Runs the jobs of every docket (a subject on a device) until they are done or the time is up, then shrinks what failed."""

    def __init__(self, subjects: Sequence[tuple[Subject, str]], settings: Settings, progress: Progress | None = None,
                 started: float | None = None) -> None:
        self.settings = settings
        self.progress = progress or (lambda what, done, planned: None)
        self.dockets = [
            Docket(i, subject, device, settings, self._deviations(subject, device)) for i, (subject, device) in enumerate(subjects)
        ]
        self.started = time.monotonic() if started is None else started
        self.deadline = self.started + settings.seconds(len(subjects))
        self.numbers = count()
        self.stopped: str | None = None
        self.stop = Stop()
        self.note: str | None = None
        self.stale: list[str] = []
        self.mended: list[str] = []

    def _deviations(self, subject: Subject, device: str) -> list[Deviation]:
        name = subject.name.partition(" on ")[0]
        return [d for d in self.settings.deviations if d.subject in (None, name) and d.concerns(device)]

    def run(self, engine: Engine) -> Report:
        """Everything, in order; what is known when it is stopped is in the report all the same."""
        self.note = engine.note
        with interruptible() as self.stop:
            try:
                self.replay(engine)
                self.judge(engine)
                self.shrink(engine)
            except KeyboardInterrupt:
                self.stopped = "interrupted"
            finally:
                engine.close()
            return self.report()

    def _results(self, engine: Engine, jobs: Iterable[Job]) -> Iterator[Done]:
        """What comes of the jobs; that something was lost on the way is told at the end."""
        for done in engine.run(self._until_stopped(jobs)):
            self.stopped = self.stopped or done.lost
            yield done

    def _until_stopped(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs; an interrupt that was lost comes where the next one is taken."""
        for job in jobs:
            self.stop.check()
            yield job

    def replay(self, engine: Engine) -> None:
        """What failed last time comes first, and the stored cases of declared deviations."""
        jobs = [*self._stored_jobs(), *self._deviation_jobs()]
        held = {job.index: what for job, what in jobs}
        for done in self._results(engine, (self._in_time(job) for job, _ in jobs)):
            docket, what = self.dockets[done.job.subject], held[done.job.index]
            over = bool(done.outcomes) and all(outcome.status == "holds" for _, outcome in done.outcomes)
            if isinstance(what, Deviation):
                if over:
                    self.stale.append(
                        f"{what.property} on {docket.subject.name}: the declared deviation no longer occurs ({what})"
                    )
            elif over:
                self._mend(what)
            docket.enter(done)
            self._save(docket)

    def _stored_jobs(self) -> list[tuple[Job, Any]]:
        if self.settings.folder is None:
            return []
        stored, complaints = store.load_all(self.settings.folder / "failing")
        self.mended += complaints
        return [
            (Job(next(self.numbers), "judge", docket.index, (item.case,), ((item.property,),)), item)
            for docket in self.dockets for item in stored
            if item.target == docket.subject.name and item.property in docket.accounts
            and docket.subject.kind == item.kind
        ]  # fmt: skip

    def _deviation_jobs(self) -> list[tuple[Job, Any]]:
        jobs: list[tuple[Job, Any]] = []
        for docket in self.dockets:
            for deviation in docket.deviations:
                if deviation.expired(datetime.date.today()):
                    self.stale.append(
                        f"{deviation.property} on {docket.subject.name}: the deviation expired on {deviation.expires}"
                    )
                case = None if deviation.case is None else store.case_from_json(docket.subject.kind, deviation.case)
                if case is not None and deviation.property in docket.accounts and docket.has(case.device):
                    jobs.append(
                        (Job(next(self.numbers), "judge", docket.index, (case,), ((deviation.property,),)), deviation)
                    )
        return jobs

    def _mend(self, item: store.Stored) -> None:
        if not item.mended:
            self.mended.append(f"{item.property} on {item.target}: the stored case holds now")
            self._write(replace(item, mended=True))

    def judge(self, engine: Engine) -> None:
        """All dockets in turn, a block each, until nothing is planned or the time is up."""
        planned = sum(docket.planned for docket in self.dockets)
        for done in self._results(engine, self._turns()):
            docket = self.dockets[done.job.subject]
            docket.enter(done)
            self._save(docket)
            self.progress(docket.subject.name, sum(d.done for d in self.dockets), planned)

    def _turns(self) -> Iterator[Job]:
        waiting = [docket.jobs(self.numbers) for docket in self.dockets]
        while waiting:
            for jobs in list(waiting):
                if time.monotonic() > self._end_of_judging():
                    return
                job = next(jobs, None)
                if job is None:
                    waiting.remove(jobs)
                else:
                    yield self._in_time(job)

    def _in_time(self, job: Job) -> Job:
        """The job, to be left unfinished where the time is up."""
        return replace(job, seconds=max(0.0, self._end_of_judging() - time.monotonic()))

    def _end_of_judging(self) -> float:
        """A fifth of the time is kept for shrinking once there is something to shrink, and more if it is much."""
        failing = sum(account.failed is not None for docket in self.dockets for account in docket.accounts.values())
        share = min(0.5, 0.18 + 0.02 * failing) if failing else 0.0
        return self.deadline - share * (self.deadline - self.started)

    def _save(self, docket: Docket) -> None:
        """A failing case is on disk before anything else happens to it."""
        for account in docket.accounts.values():
            if account.failed is not None and account.stored is None and self.settings.folder is not None:
                case = account.failed[0]
                item = store.Stored(
                    account.prop.id, docket.subject.name, docket.subject.kind, case, docket.subject.against
                )
                account.stored = self._write(item)

    def _write(self, item: store.Stored) -> Path | None:
        assert self.settings.folder is not None
        try:
            return store.save(item, self.settings.folder / "failing")
        except OSError as error:
            self.stopped = f"failing cases could not be saved under {self.settings.folder}: {error}"
            return None

    def shrink(self, engine: Engine) -> None:
        """Each failing property by itself, from the case that failed; its script is run meanwhile."""
        failing = [(d, a) for d in self.dockets for a in d.accounts.values() if a.failed is not None]
        accounts: dict[int, tuple[Docket, Account]] = {}
        runs, running = Runs(self.deadline), []
        try:
            for done in self._results(engine, self._shrink_jobs(failing, accounts)):
                docket, account = accounts[done.job.index]
                account.shrunk = done
                if done.shrunk is not None and self.settings.folder is not None:
                    item = store.Stored(
                        account.prop.id, docket.subject.name, docket.subject.kind, done.shrunk.case, docket.subject.against
                    )
                    account.stored = self._write(item) or account.stored
                self._write_test(docket, account)
                if self._write_script(docket, account) and account.script is not None:
                    running.append((account, runs.start(account.script)))
                self.progress(f"shrinking {account.prop.id}", 0, 0)
            for account, run in running:
                account.alone = run.result()
        finally:
            runs.close()

    def _shrink_jobs(
        self, failing: Sequence[tuple[Docket, Account]], accounts: dict[int, tuple[Docket, Account]]
    ) -> Iterator[Job]:
        """A job each; the time that is left is shared out as they are taken."""
        for place, (docket, account) in enumerate(failing):
            assert account.failed is not None
            share = (self.deadline - time.monotonic()) / (len(failing) - place)
            job = Job(
                next(self.numbers), "shrink", docket.index, (account.failed[0],), ((account.prop.id,),),
                self.settings.profile.attempts, max(LEAST_SHRINKING, min(MOST_SHRINKING, share)),
            )  # fmt: skip
            accounts[job.index] = docket, account
            yield job

    def _write_script(self, docket: Docket, account: Account) -> bool:
        """Write the standalone script; whether there is one to run."""
        if self.settings.repro is None or account.shrunk is None or account.shrunk.explanation is None:
            return False
        text = account.shrunk.explanation.script
        if text is None:
            account.alone = "no standalone script: the failure cannot be written down as a few calls"
            return False
        file = self.settings.repro / f"{_stem(docket, account)}.py"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            account.alone = f"no standalone script: it could not be written: {error}"
            return False
        account.script = file
        return True

    def _write_test(self, docket: Docket, account: Account) -> None:
        """Write the pytest test of the smallest case, where there is one."""
        if self.settings.repro is None or account.shrunk is None or account.shrunk.shrunk is None:
            return
        text = snippet(docket.subject, account.prop.id, account.shrunk.shrunk.case)
        if text is None:
            return
        file = self.settings.repro / snippet_name(_stem(docket, account))
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            account.alone = f"no regression test: it could not be written: {error}"
            return
        account.test = file

    def report(self) -> Report:
        """What is known by now."""
        s = self.settings
        stale = [*self.stale, *self._unseen()]
        environment = {**s.environment, **({"engine": self.note} if self.note else {}), **own_functions.note()}
        return Report(
            environment,
            s.seed,
            s.profile.name,
            tuple(docket.report() for docket in self.dockets),
            self.stopped,
            s.missing,
            tuple(stale),
            tuple(self.mended),
        )

    def _unseen(self) -> list[str]:
        """Deviations without a stored case that did not show on any of the cases."""
        return [
            f"{d.property} on {docket.subject.name}: the declared deviation did not occur on {account.cases} cases ({d})"
            for docket in self.dockets for d in docket.deviations
            if d.sure and d.case is None and (account := docket.accounts.get(d.property)) is not None
            and account.cases and account.deviated is None and account.failed is None
        ]  # fmt: skip


def _stem(docket: Docket, account: Account) -> str:
    """How the files of this failure are called, but for the suffix."""
    name = store.file_name(account.prop.id, docket.subject.name, "")
    return name if account.stored is None else account.stored.stem
