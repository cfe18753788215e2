"""`lix study run`: trains what is not finished of a study, here or on a cluster."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from lix.core.console import plain
from lix.core.files import is_locked, write_text
from lix.core.types import FeatureSpec
from lix.methods import build_method
from lix.methods.parts.base import FeaturePair
from lix.streets import StreetPlan, write_streets
from lix.study.cross import check_across, evaluate_across
from lix.study.definition import Study
from lix.study.plan import Job, PlannedRun, plan
from lix.study.processes import GpuPool, Process, start_here, visible_gpus
from lix.study.progress import StudyProgress
from lix.study.records import read_packed

POLL_SECONDS = 0.5

Shard = tuple[int, int]
"""Number of a part, from 1, and number of parts."""


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
        shard: run only the i-th of n parts; it waits for teachers that another part trains.
        console: where progress is shown; default: stderr.

    Returns:
        Sentences about the runs that failed, by run name.

    Raises:
        ValueError: settings that are not a recipe, a shard out of range, or data sets to
            test across that have no classes in common.
        ModuleNotFoundError: Ray is missing.
        KeyboardInterrupt: interrupted; the same call goes on.
    """
    console = console or Console(stderr=True, soft_wrap=True)
    names = {run.job.name for run in plan(study, output)}
    packed, _ = read_packed(output, study.name, names)
    runs = plan(study, output, packed)
    jobs = list({run.job.name: run.job for run in runs}.values())
    check_options(runs)
    part, parts = shard
    if not 1 <= part <= parts:
        raise ValueError(f"Invalid shard {part}/{parts}: i of i/n must be from 1 to n.")
    _make_streets(study, console, workers)
    if study.cross is not None:
        check_across(study)
    start: Callable[[Job], Process] = GpuPool(visible_gpus())
    if engine == "ray":
        from lix.study.on_ray import connect

        start, workers = connect(address, console, jobs)
    own = {job.name for job in jobs[part - 1 :: parts]}
    failed = run_jobs(
        jobs,
        workers=workers,
        progress=StudyProgress(runs, console),
        own=own,
        start=start,
    )
    if study.cross is not None:
        torch.set_num_threads(1)
        evaluate_across(study, [run for run in runs if run.job.name in own], console, packed)
    return failed


def _make_streets(study: Study, console: Console, workers: int) -> None:
    """Write the Procedural Streets that a study asks for, where they are missing."""
    for folder, streets in study.streets.items():
        console.print(plain(f"Procedural Streets in {folder}"))
        images = streets.images + streets.val_images
        plan = StreetPlan(images, streets.size, streets.seed, streets.world, streets.val_images)
        write_streets(Path(folder), plan, cameras=(0,), workers=workers)


def check_options(runs: Sequence[PlannedRun]) -> None:
    """Build every method once, so that no run fails after hours for a wrong option.

    Raises:
        ValueError: a preset or an option that a method does not take.
    """
    pair = FeaturePair(FeatureSpec(4, 8), FeatureSpec(6, 8))
    for distill in (run.job.recipe.distill for run in runs):
        if distill is not None:
            build_method(distill.method, [pair], 5, preset=distill.preset, **distill.options)


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    progress: StudyProgress,
    own: Container[str] | None = None,
    start: Callable[[Job], Process] = start_here,
) -> dict[str, str]:
    """Run all jobs that are not finished, `workers` at a time, in order where `needs` allows.

    A job that fails does not stop the others; why it failed is written into its `error.txt`.

    Args:
        jobs: all trainings.
        workers: number of trainings at a time.
        progress: display of how far they are.
        own: names of the jobs to run here; the others are waited for where they are needed, as
            are those that another study trains.
        start: function that starts a job.

    Returns:
        Sentences about the jobs that failed, by name.

    Raises:
        KeyboardInterrupt: interrupted; the trainings that run are stopped and can be resumed.
    """
    own_jobs = [job for job in jobs if own is None or job.name in own]
    running: dict[str, Process] = {}
    failed: dict[str, str] = {}
    ended: set[str] = set()
    others, started = [job for job in jobs if job not in own_jobs], time.time()
    for job in own_jobs:
        if job.finished:  # maybe after this study was killed, with an older failure noted
            job.folder.error.unlink(missing_ok=True)

    with progress, _stoppable():
        try:
            while True:
                done = ended | _done(jobs) - running.keys()
                waiting = [job for job in own_jobs if job.name not in done | failed.keys()]
                if not waiting:
                    break
                ready = (job for job in waiting if job.name not in running and _free(job, done))
                for job in islice(ready, workers - len(running)):
                    running[job.name] = start(job)
                progress.show(running)
                if not running:
                    progress.waits({_obstacle(job, done) for job in waiting} - failed.keys())
                time.sleep(POLL_SECONDS)
                lost = _failed(others, started, failed)
                for job, failure in _endings(own_jobs, running, failed, lost):
                    progress.ended(job, failure)
                    if failure is None:
                        ended.add(job.name)
                    else:
                        failed[job.name] = failure
        finally:
            _stop(running.values())
    return failed


def _free(job: Job, done: Collection[str]) -> bool:
    """Whether a job's teacher is there and no other study trains it."""
    return (job.needs is None or job.needs in done) and not is_locked(job.recipe.output)


def _endings(
    jobs: Sequence[Job],
    running: dict[str, Process],
    failed: Container[str],
    lost: Container[str | None],
) -> Iterator[tuple[Job, str | None]]:
    """Take ended jobs out of `running`; with a sentence where one failed or cannot start."""
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
    teachers = {job.needs for job in jobs if not job.finished}
    return {job.name for job in jobs if (job.usable if job.name in teachers else job.finished)}


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
    with suppress(OSError):  # on a full disk, which failed the training too, it is only printed
        write_text(note, sentence + "\n")
    return sentence
