"""`lix study run`: all runs of a study, here or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Container, Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from lix.core.types import FeatureSpec
from lix.methods import build_method
from lix.methods.parts.base import FeaturePair
from lix.streets import StreetPlan, write_streets
from lix.study.cross import check_across, evaluate_across
from lix.study.gpus import Spread, visible_gpus
from lix.study.grid import Planned, Study, plan
from lix.study.jobs import Job, Process, Watcher, run_jobs

Shard = tuple[int, int]
"""Which part of how many, from 1."""


def run_study(
    study: Study,
    output: Path,
    *,
    workers: int = 1,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    shard: Shard = (1, 1),
    console: Console | None = None,
) -> dict[str, str]:
    """Run what is not finished of a study; failed runs are recorded and do not stop the others.

    Args:
        study: what to run.
        output: folder of all runs; studies may share it, and equal runs are then one.
        workers: trainings at a time on this machine, spread over its GPUs.
        engine: `local`, or `ray` for a Ray cluster that sees the same files.
        address: of an existing Ray cluster; default: a local one.
        shard: run the i-th of n parts alone; a part waits for teachers that another one trains.
        console: where progress goes; default stderr.

    Returns:
        Sentences about the runs that failed, by run name.

    Raises:
        ValueError: settings that are no recipe, a shard out of range, or data to be crossed that
            have no classes in common.
        ModuleNotFoundError: Ray is missing.
        KeyboardInterrupt: interrupted; the same call goes on.
    """
    console = console or Console(stderr=True, soft_wrap=True)
    runs = plan(study, output)
    jobs = list({run.job.name: run.job for run in runs}.values())
    check_options(runs)
    part, parts = shard
    if not 1 <= part <= parts:
        raise ValueError(f"The shard {part}/{parts} is none; write i/n with 1 <= i <= n.")
    _make_streets(study, console, workers)
    if study.cross is not None:
        check_across(study)
    start: Callable[[Job], Process] = Spread(visible_gpus())
    if engine == "ray":
        from lix.study.on_ray import connect

        start, workers = connect(address, console, jobs)
    mine = {job.name for job in jobs[part - 1 :: parts]}
    failed = run_jobs(
        jobs,
        workers=workers,
        watcher=Overall(runs, console),
        mine=mine,
        keep_going=True,
        start=start,
    )
    if study.cross is not None:
        torch.set_num_threads(1)
        evaluate_across(study, [run for run in runs if run.job.name in mine], console)
    return failed


def _make_streets(study: Study, console: Console, workers: int) -> None:
    """Write the Procedural Streets that a study asks for, where they are missing."""
    for folder, streets in study.streets.items():
        console.print(f"Procedural Streets in {folder}")
        images = streets.images + streets.val_images
        plan = StreetPlan(images, streets.size, streets.seed, streets.world, streets.val_images)
        write_streets(Path(folder), plan, cameras=(0,), workers=workers)


def check_options(runs: Sequence[Planned]) -> None:
    """Build every method once, so that no run fails after hours for a wrong option.

    Raises:
        ValueError: a preset or an option that a method does not take.
    """
    pair = FeaturePair(FeatureSpec(4, 8), FeatureSpec(6, 8))
    for distill in (run.job.recipe.distill for run in runs):
        if distill is not None:
            build_method(distill.method, [pair], 5, preset=distill.preset, **distill.options)


class Overall(Watcher):
    """One bar for all runs with the time left; where the console is no terminal a line a run."""

    def __init__(self, runs: Sequence[Planned], console: Console) -> None:
        super().__init__(
            TextColumn("runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._said, self._jobs = console, {run.job.name: run.job for run in runs}
        self._labels: dict[str, str] = {}
        for run in runs:
            label = f"{run.data} {run.network} {run.method} seed {run.seed}"
            self._labels.setdefault(run.job.name, label)
        self._task = self.add_task("", total=len(self._jobs))
        self._failed = 0
        self._waited: set[str] = set()
        self._started = time.perf_counter()
        self._epochs_before = self._epochs()

    def show(self, running: Container[str]) -> None:
        done = sum(job.finished for job in self._jobs.values())
        count = sum(name in running for name in self._jobs)
        said = f"{count} running, {self._failed} failed{self._left()}"
        self.update(self._task, completed=done, description=said)

    def waits(self, names: Collection[str]) -> None:
        for name in sorted(set(names) - self._waited):
            self._waited.add(name)
            note = self._jobs[name].folder.error
            tried = f"; its last try failed, see {note}" if note.is_file() else ""
            self._said.print(
                f"Waiting for {self._labels[name]}, which another process has to train; start the "
                f"shard that has it if it does not run{tried}."
            )

    def ended(self, job: Job, failure: str | None) -> None:
        self._failed += failure is not None
        done = sum(job.finished for job in self._jobs.values())
        what = f"{self._labels[job.name]}: {failure or 'trained'}"
        self._said.print(f"{done}/{len(self._jobs)} {what}{self._left()}")

    def _epochs(self) -> int:
        return sum(job.epochs_done for job in self._jobs.values())

    def _left(self) -> str:
        """The time left if epochs go on as since the start."""
        trained = self._epochs() - self._epochs_before
        wanted = sum(
            0 if job.finished else job.recipe.training.epochs - job.epochs_done
            for job in self._jobs.values()
        )
        if trained < 2 or not wanted:
            return ""
        hours = (time.perf_counter() - self._started) / trained * wanted / 3600
        return f", about {hours:.1f} h left" if hours >= 1 else f", about {60 * hours:.0f} min left"
