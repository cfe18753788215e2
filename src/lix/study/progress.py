"""How far the runs of a study are: a bar with the time left, a line for each run that ended."""

from __future__ import annotations

import time
from collections.abc import Collection, Container, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lix.core.console import plain
from lix.study.plan import Job, PlannedRun


class StudyProgress(Progress):
    """One bar for all runs; where the console is not a terminal, lines only.

    Args:
        runs: all runs of the study, those of other shards too.
        console: where it is shown.
    """

    def __init__(self, runs: Sequence[PlannedRun], console: Console) -> None:
        super().__init__(
            TextColumn("runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._jobs = {run.job.name: run.job for run in runs}
        self._labels: dict[str, str] = {}
        for run in runs:
            label = f"{run.data} {run.network} {run.method} seed {run.seed}"
            self._labels.setdefault(run.job.name, label)
        self._task = self.add_task("", total=len(self._jobs))
        self._failed = 0
        self._waits_shown: set[str] = set()
        self._started = time.perf_counter()
        self._epochs_before = self._epochs()

    def show(self, running: Container[str]) -> None:
        """Called every half second with the names of the jobs that run here."""
        done = sum(job.finished for job in self._jobs.values())
        count = sum(name in running for name in self._jobs)
        text = f"{count} running, {self._failed} failed{self._time_left()}"
        self.update(self._task, completed=done, description=text)

    def waits(self, names: Collection[str]) -> None:
        """Called while nothing runs here, with the jobs that others train or have yet to train."""
        for name in sorted(set(names) - self._waits_shown):
            self._waits_shown.add(name)
            note = self._jobs[name].folder.error
            tried = f"; its last try failed, see {note}" if note.is_file() else ""
            self._print(
                f"Waiting for {self._labels[name]}, which another process has to train; start the "
                f"shard that has it if it does not run{tried}."
            )

    def ended(self, job: Job, failure: str | None) -> None:
        """Called when a job has ended, with a sentence if it failed."""
        self._failed += failure is not None
        done = sum(job.finished for job in self._jobs.values())
        text = f"{self._labels[job.name]}: {failure or 'trained'}"
        self._print(f"{done}/{len(self._jobs)} {text}{self._time_left()}")

    def _print(self, text: str) -> None:
        self.console.print(plain(text))

    def _epochs(self) -> int:
        return sum(job.epochs_done for job in self._jobs.values())

    def _time_left(self) -> str:
        """The time left if epochs go on as since the start."""
        trained = self._epochs() - self._epochs_before
        epochs_left = sum(
            0 if job.finished else job.recipe.training.epochs - job.epochs_done
            for job in self._jobs.values()
        )
        if trained < 2 or not epochs_left:
            return ""
        hours = (time.perf_counter() - self._started) / trained * epochs_left / 3600
        return f", about {hours:.1f} h left" if hours >= 1 else f", about {60 * hours:.0f} min left"
