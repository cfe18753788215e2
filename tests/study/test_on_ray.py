"""Trainings as tasks of a Ray cluster, a local one here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import ray
from rich.console import Console

from lix.runs.recipe import Recipe
from lix.study.on_ray import connect
from lix.study.plan import Job, PlannedRun
from lix.study.progress import StudyProgress
from lix.study.schedule import run_jobs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_jobs_run_where_ray_wants_and_failures_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(job: Job) -> list[str]:
        job.recipe.output.mkdir(parents=True, exist_ok=True)
        fails = "sys.exit('lix: no.')" if job.name == "bad" else "pass"
        script = (
            "import os, sys, pathlib; print(os.environ['OMP_NUM_THREADS']); "
            f"{fails}; pathlib.Path({str(job.recipe.output / 'result.json')!r}).write_text('{{}}')"
        )
        return [sys.executable, "-c", script]

    monkeypatch.setattr(Job, "command", command)
    jobs = [Job(name, Recipe(output=tmp_path / name)) for name in ("good", "bad")]
    jobs.append(Job("after", Recipe(output=tmp_path / "after"), needs="good"))
    console = Console(quiet=True)
    try:
        start, slots = connect(None, console, jobs)
        progress = StudyProgress([PlannedRun("a", "b", "c", 0, job) for job in jobs], console)
        failed = run_jobs(jobs, workers=slots, progress=progress, start=start)
    finally:
        ray.shutdown()
    assert list(failed) == ["bad"]
    assert "lix: no." in failed["bad"]
    assert (tmp_path / "bad" / "error.txt").is_file()
    assert jobs[2].finished
    assert (tmp_path / "good" / "log.txt").read_text().strip() == "1"


def test_trainings_share_the_gpus_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), end='')"
    monkeypatch.setattr(Job, "command", lambda _: [sys.executable, "-c", script])
    jobs = [Job(name, Recipe(output=tmp_path / name)) for name in ("a", "b")]
    here = Recipe.model_validate({"output": tmp_path / "c", "training": {"accelerator": "cpu"}})
    jobs.append(Job("c", here))
    for job in jobs:
        job.recipe.output.mkdir()
    try:
        ray.init(num_cpus=8, num_gpus=2, include_dashboard=False)
        start, slots = connect(None, Console(quiet=True), jobs[:2])
        assert slots == 2
        assert connect(None, Console(quiet=True), jobs)[1] == 8
        tasks = [start(job) for job in jobs]
        assert [task.wait() for task in tasks] == [0, 0, 0]
    finally:
        ray.shutdown()
    on = [job.folder.log.read_text() for job in jobs]
    assert set(on[:2]) <= {"0", "1"}
    assert on[2] not in {"0", "1"}
