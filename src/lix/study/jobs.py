"""Runs trainings side by side, one process each, and shows how far they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lix.core.files import is_locked
from lix.runs.folder import RunFolder
from lix.runs.history import epochs_done
from lix.runs.recipe import Recipe

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """One training."""

    name: str
    recipe: Recipe
    needs: str | None = None
    """Name of the job that must be finished first."""
    packed: bool = False
    """Whether its record is in a study's packed file."""

    @property
    def folder(self) -> RunFolder:
        """Where the training puts its files."""
        return RunFolder(self.recipe.output)

    @property
    def finished(self) -> bool:
        return self.packed or self.folder.finished

    @property
    def usable(self) -> bool:
        """Whether others can learn from it: a result that was kept without weights cannot."""
        return self.folder.usable

    @property
    def epochs_done(self) -> int:
        return epochs_done(self.folder.history)

    def command(self) -> list[str]:
        """`lix train` or `lix distill` with the job's recipe, resuming what there is."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if not self.folder.last.is_file():  # else the folder's own recipe goes on
            self.recipe.absolute().save(self.folder.recipe)
        command = "distill" if self.recipe.distill else "train"
        recipe = str(self.folder.recipe.absolute())
        return [sys.executable, "-m", "lix", command, "-r", recipe, "--resume"]

    @property
    def environment(self) -> dict[str, str]:
        """What the training's process needs in its environment beside that of its machine."""
        return {"OMP_NUM_THREADS": str(self.recipe.training.threads)}


class Process(Protocol):
    """A training that was started, as `subprocess.Popen` has it."""

    def poll(self) -> int | None:
        """Exit code, None while it runs."""

    def terminate(self) -> None:
        """Ask it to stop; it can be resumed."""

    def wait(self) -> int:
        """Block until it has stopped."""


def start_here(job: Job, environment: Mapping[str, str] | None = None) -> Process:
    """Start a training on this machine; what it prints goes to `log.txt` in its folder.

    Args:
        job: the training.
        environment: variables that it gets beside those of this process and its own.
    """
    command = job.command()
    with job.folder.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **job.environment, **(environment or {})},
        )


class Watcher(Progress):
    """Shows how jobs come along."""

    def show(self, running: Container[str]) -> None:
        """Called every half second."""

    def waits(self, names: Collection[str]) -> None:
        """Called while nothing runs here, with the jobs that others train or have yet to train."""

    def ended(self, job: Job, failure: str | None) -> None:
        """Called when a job has ended, with a sentence if it failed."""


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    watcher: Watcher,
    mine: Container[str] | None = None,
    keep_going: bool = False,
    start: Callable[[Job], Process] = start_here,
) -> dict[str, str]:
    """Run all jobs that are not finished, `workers` at a time, in order where `needs` allows.

    Args:
        jobs: what is to be done.
        workers: so many at a time.
        watcher: is told of progress.
        mine: names of the jobs to run here; the others are waited for where they are needed, as
            are those that another study trains.
        keep_going: go on after a job that fails, and write why into its `error.txt`.
        start: how a job is started.

    Returns:
        Sentences about the jobs that failed, by name.

    Raises:
        ValueError: a job failed, and not `keep_going`; names its log.
        KeyboardInterrupt: interrupted; the trainings that run are stopped and can be resumed.
    """
    own = [job for job in jobs if mine is None or job.name in mine]
    running: dict[str, Process] = {}
    failed: dict[str, str] = {}
    ended: set[str] = set()
    others, started = [job for job in jobs if job not in own], time.time()

    with watcher, _stoppable():
        try:
            while True:
                done = ended | _done(jobs) - running.keys()
                waiting = [job for job in own if job.name not in done | failed.keys()]
                if not waiting:
                    break
                ready = (job for job in waiting if job.name not in running and _free(job, done))
                for job in islice(ready, workers - len(running)):
                    running[job.name] = start(job)
                watcher.show(running)
                if not running:
                    watcher.waits({_obstacle(job, done) for job in waiting})
                time.sleep(POLL_SECONDS)
                lost = _failed(others, started, failed)
                for job, failure in _endings(own, running, failed, lost):
                    watcher.ended(job, failure)
                    if failure is None:
                        ended.add(job.name)
                    elif keep_going:
                        failed[job.name] = failure
                    else:
                        raise ValueError(failure)
        finally:
            _stop(running.values())
    return failed


def _free(job: Job, done: Collection[str]) -> bool:
    """Whether its teacher is there and no other study trains it."""
    return (job.needs is None or job.needs in done) and not is_locked(job.recipe.output)


def _endings(
    jobs: Sequence[Job],
    running: dict[str, Process],
    failed: Container[str],
    lost: Container[str | None],
) -> Iterator[tuple[Job, str | None]]:
    """Take what ended out of `running`; with a sentence where it failed or cannot start."""
    for job in jobs:
        if job.name in running and (code := running[job.name].poll()) is not None:
            del running[job.name]
            if not is_locked(job.recipe.output):
                yield job, _failure(job, code)
        elif job.name not in failed and job.needs in lost:
            yield job, f"{job.name} needs {job.needs}, which failed."


def _obstacle(job: Job, done: Collection[str]) -> str:
    """Name of what a job that is not free waits for."""
    return job.name if job.needs is None or job.needs in done else job.needs


def _failed(others: Sequence[Job], started: float, failed: Collection[str]) -> set[str]:
    """Names of the jobs that failed here, or since the start where others run them."""
    notes = {job.name: job.folder.error for job in others}
    new = {n for n, note in notes.items() if note.is_file() and note.stat().st_mtime > started}
    return new | set(failed)


def _stop(processes: Collection[Process]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM, which clusters send before they kill, end this like Ctrl-C."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _done(jobs: Sequence[Job]) -> set[str]:
    """Names of the jobs that have ended; a teacher whose students have not must have weights."""
    taught = {job.needs for job in jobs if not job.finished}
    return {job.name for job in jobs if (job.usable if job.name in taught else job.finished)}


def _failure(job: Job, code: int) -> str | None:
    """Why a job that ended has failed; kept in its folder until it succeeds."""
    note = job.folder.error
    if code == 0 and job.finished:
        note.unlink(missing_ok=True)
        return None
    log = job.folder.log
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    last = " ".join(text.strip().splitlines()[-1:])
    sentence = f"The training {job.name!r} failed: {last or f'exit code {code}'} (see {log})."
    note.write_text(sentence + "\n", encoding="utf-8")
    return sentence


class Bars(Watcher):
    """A bar a job; where the console is no terminal a line when one has ended."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        super().__init__(
            TextColumn("{task.description:>12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._said = console
        self._tasks_of = {
            job.name: (job, self.add_task(job.name, total=job.recipe.training.epochs, start=False))
            for job in jobs
        }

    def show(self, running: Container[str]) -> None:
        for name, (job, task) in self._tasks_of.items():
            if name in running:
                self.start_task(task)
            self.update(task, completed=job.epochs_done)

    def ended(self, job: Job, failure: str | None) -> None:
        self._said.print(f"    {job.name} {'failed' if failure else 'is trained'}")
