"""A worker of Ray that is killed: its training has failed, and the next call trains it again."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from lix.runs.recipe import Recipe
from lix.study.plan import Job, PlannedRun
from lix.study.progress import StudyProgress
from lix.study.schedule import run_jobs

ray = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TRAINING = """
import os, sys, time
from pathlib import Path
from lix.core.processes import end_with_lix
run, waits = Path(sys.argv[1]), sys.argv[2] == "waits"
end_with_lix()
if waits and not (run / "processes").exists():
    (run / "part").write_text(f"{os.getppid()} {os.getpid()}")
    (run / "part").rename(run / "processes")
    time.sleep(300)
(run / "result.json").write_text("{}")
"""


def kill_worker(note: Path) -> None:
    for _ in range(3000):
        if note.exists():
            return os.kill(int(note.read_text().split()[0]), signal.SIGKILL)
        time.sleep(0.02)
    return None


def ended(process: int) -> bool:
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_killed_worker_fails_its_training_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lix.study.on_ray import connect

    def command(job: Job) -> list[str]:
        return [sys.executable, "-c", TRAINING, str(job.recipe.output), job.name]

    monkeypatch.setattr(Job, "command", command)
    jobs = [Job(name, Recipe(output=tmp_path / name)) for name in ("waits", "ends")]
    for job in jobs:
        job.recipe.output.mkdir()
    console, note = Console(quiet=True), tmp_path / "waits/processes"
    progress = StudyProgress([PlannedRun("a", "b", "c", 0, job) for job in jobs], console)
    killer = threading.Thread(target=kill_worker, args=(note,))
    killer.start()
    try:
        start, _ = connect(None, console, jobs)
        failed = run_jobs(jobs, workers=2, progress=progress, start=start)
        assert list(failed) == ["waits"]
        assert [job.finished for job in jobs] == [False, True]
        assert jobs[0].folder.error.is_file()
        assert ended(int(note.read_text().split()[1]))
        assert run_jobs(jobs, workers=2, progress=progress, start=start) == {}
    finally:
        ray.shutdown()
        killer.join()
    assert jobs[0].finished
    assert not jobs[0].folder.error.exists()
