"""Runs trainings side by side, one process each, and shows how far they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lix.config import Recipe
from lix.training.callbacks import read_history
from lix.training.run import HISTORY, RECIPE, RESULT

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """One training."""

    name: str
    recipe: Recipe
    needs: str | None = None
    """Name of the job that must be finished first."""

    @property
    def finished(self) -> bool:
        return (self.recipe.output / RESULT).is_file()

    @property
    def epochs_done(self) -> int:
        return len({epoch for epoch, _, _ in read_history(self.recipe.output / HISTORY)})

    def start(self) -> subprocess.Popen[bytes]:
        """Start `lix train` or `lix distill` with the job's recipe, resuming what there is."""
        output = self.recipe.output
        output.mkdir(parents=True, exist_ok=True)
        if not (output / RECIPE).is_file():
            self.recipe.save(output / RECIPE)
        command = "distill" if self.recipe.distill else "train"
        arguments = [command, "-r", str(output / RECIPE), "--resume"]
        threads = {"OMP_NUM_THREADS": str(self.recipe.training.threads)}
        with (output / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "lix", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | threads,
            )


def run_jobs(jobs: Sequence[Job], *, workers: int, console: Console) -> None:
    """Run all jobs that are not finished, `workers` at a time, in order where `needs` allows.

    Raises:
        ValueError: a job failed; names its log.
        KeyboardInterrupt: interrupted; the trainings that run are stopped and can be resumed.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    with _Bars(jobs, console) as bars:
        try:
            while any(job.name in running or not job.finished for job in jobs):
                for job in _ready(jobs, running)[: workers - len(running)]:
                    running[job.name] = job.start()
                time.sleep(POLL_SECONDS)
                bars.show(running)
                for job in jobs:
                    if job.name in running and running[job.name].poll() is not None:
                        _check(job, running.pop(job.name).returncode)
                        console.print(f"    {job.name} is trained")
        finally:
            for process in running.values():
                process.terminate()
                process.wait()


def _ready(jobs: Sequence[Job], running: Container[str]) -> list[Job]:
    done = {job.name for job in jobs if job.finished and job.name not in running}
    waiting = [job for job in jobs if job.name not in done and job.name not in running]
    return [job for job in waiting if job.needs is None or job.needs in done]


def _check(job: Job, returncode: int) -> None:
    if returncode or not job.finished:
        log = job.recipe.output / "log.txt"
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise ValueError(f"The training {job.name!r} failed: {' '.join(last)} (see {log}).")


class _Bars(Progress):
    """A bar a job; nothing where the console is no terminal."""

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
        self._tasks_of = {
            job.name: (job, self.add_task(job.name, total=job.recipe.training.epochs, start=False))
            for job in jobs
        }

    def show(self, running: Container[str]) -> None:
        for name, (job, task) in self._tasks_of.items():
            if name in running:
                self.start_task(task)
            self.update(task, completed=job.epochs_done)
