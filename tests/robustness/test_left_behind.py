"""What lix starts ends with it, also where it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from lix.study.plan import PROGRAM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks into /proc"),
]


def start(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def running() -> dict[int, int]:
    """Process → parent, without those that have ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(path.parent.name)] = int(parent)
    return found


def workers_of(process: subprocess.Popen[bytes], count: int) -> set[int]:
    """Its descendants, when there are enough."""
    for _ in range(1200):
        parents, found = running(), {process.pid}
        for _ in range(4):
            found |= {child for child, parent in parents.items() if parent in found}
        if len(found) > count:
            return found - {process.pid}
        time.sleep(0.05)
    raise AssertionError("no workers were started")


def require_end(workers: set[int]) -> None:
    for _ in range(600):
        left = workers & running().keys()
        if not left:
            return
        time.sleep(0.05)
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    raise AssertionError(f"{len(left)} workers are left")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_of_streets_is_left(how: int, tmp_path: Path) -> None:
    words = ("data", "streets", tmp_path / "new", "--images", 4000, "--workers", 2)
    lix = start(*words)
    workers = workers_of(lix, 2)
    time.sleep(1)
    os.kill(lix.pid, how)
    lix.wait(60)
    require_end(workers)
    before = sorted((tmp_path / "new").rglob("*"))
    time.sleep(1)
    assert sorted((tmp_path / "new").rglob("*")) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_training_of_a_study_is_left(how: int, small_recipe: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load(small_recipe.read_text())
    study = {
        "name": "s",
        "data": {"a": settings.pop("data")},
        "networks": {"mfnet": {}},
        "methods": ["none"],
        "seeds": [0, 1],
        "settings": settings | {"training": {"epochs": 5000, "accelerator": "cpu"}},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    lix = start("study", "run", tmp_path / "s.yaml", "--output", tmp_path / "o", "--workers", 2)
    trainings = workers_of(lix, 2)
    time.sleep(1)
    os.kill(lix.pid, how)
    lix.wait(60)
    require_end(trainings)
