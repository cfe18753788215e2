"""Running a study: what is done is skipped, what fails is recorded, shards share the work."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import lix.study.schedule
from lix.core.files import folder_lock
from lix.study.definition import Study
from lix.study.plan import Job, plan
from lix.study.schedule import run_study

STUDY = Study.model_validate(
    {
        "name": "small",
        "settings": {"training": {"epochs": 2}},
        "data": {"a": {"root": "a"}},
        "networks": {"mfnet": {}},
        "methods": ["none", "kd", "at"],
        "seeds": [0, 1],
    }
)


class Fake:
    """A training that ends at once, and fails where it should."""

    started: list[str]
    running = 0
    most = 0

    def __init__(self, fail: str = "") -> None:
        self.started, self.fail = [], fail

    def __call__(self, job: Job) -> Fake.Process:
        method = job.recipe.distill.method if job.recipe.distill else job.recipe.role
        self.started.append(method)
        self.running += 1
        self.most = max(self.most, self.running)
        job.command()
        return Fake.Process(self, job, failing=method == self.fail)

    class Process:
        def __init__(self, fake: Fake, job: Job, *, failing: bool) -> None:
            self.fake, self.job, self.failing = fake, job, failing

        def poll(self) -> int:
            self.fake.running -= 1
            folder = self.job.recipe.output
            if self.failing:
                (folder / "log.txt").write_text("first\nlix: this is why.\n")
                return 1
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints/best.ckpt").touch()
            (folder / "result.json").write_text(json.dumps({}))
            return 0

        def terminate(self) -> None: ...

        def wait(self) -> int:
            return 0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lix.study.schedule.POLL_SECONDS", 0.001)
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, fake: Fake, **options) -> tuple[dict[str, str], str]:
    monkeypatch.setattr(lix.study.schedule, "GpuPool", lambda _: fake)
    log = StringIO()
    failed = run_study(STUDY, Path("out"), console=Console(file=log, width=300), **options)
    return failed, log.getvalue()


def test_runs_all_once_and_the_teacher_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    failed, log = run(monkeypatch, fake, workers=2)
    assert not failed
    assert sorted(fake.started) == ["at"] * 2 + ["kd"] * 2 + ["student"] * 2 + ["teacher"]
    assert fake.started.index("teacher") < fake.started.index("kd")
    assert fake.most == 2
    assert "7/7 a mfnet at seed 1: trained" in log
    again = Fake()
    assert run(monkeypatch, again)[0] == {}
    assert again.started == []


def test_a_teacher_kept_without_weights_is_trained_anew_for_students_that_need_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(monkeypatch, Fake())
    for weights in Path("out/runs").glob("*/checkpoints/best.ckpt"):
        weights.unlink()
    again = Fake()
    assert run(monkeypatch, again)[0] == {}
    assert again.started == []
    at = next(
        p.job for p in plan(STUDY, Path("out")) if (p.method, p.seed) == ("at", 0)
    ).recipe.output
    (at / "result.json").unlink()
    assert run(monkeypatch, again)[0] == {}
    assert again.started == ["teacher", "at"]


def test_a_failure_is_recorded_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    failed, log = run(monkeypatch, Fake(fail="at"))
    assert len(failed) == 2
    assert all("lix: this is why." in sentence for sentence in failed.values())
    assert "a mfnet at seed 0: The training" in log
    notes = list(Path("out/runs").glob("*/error.txt"))
    assert len(notes) == 2
    assert run(monkeypatch, Fake())[0] == {}
    assert not list(Path("out/runs").glob("*/error.txt"))


def test_a_failure_whose_note_finds_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("lix.study.schedule.write_text", full)
    failed, log = run(monkeypatch, Fake(fail="at"))
    assert len(failed) == 2
    assert log.count("lix: this is why.") == 2
    assert not list(Path("out/runs").glob("*/error.txt"))


def test_students_of_a_teacher_that_failed_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(fail="teacher")
    failed, log = run(monkeypatch, fake, workers=4)
    assert sorted(fake.started) == ["student", "student", "teacher"]
    assert len(failed) == 5
    assert "another process" not in log


@pytest.mark.parametrize("late", [False, True])
def test_what_another_study_trains_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    teacher = plan(STUDY, Path("out"))[0].job
    theirs = ExitStack()

    def they_start() -> None:
        theirs.enter_context(folder_lock(teacher.recipe.output))

    def they_end() -> None:
        Fake()(teacher).poll()
        theirs.close()

    class Ours(Fake):
        def __call__(self, job: Job) -> Fake.Process:
            if job.name == teacher.name:
                assert late
                they_start()
                threading.Timer(0.1, they_end).start()
            return super().__call__(job)

    fake = Ours(fail="teacher")
    if not late:
        they_start()
        threading.Timer(0.1, they_end).start()
    assert run(monkeypatch, fake)[0] == {}
    assert ("teacher" in fake.started) == late
    assert sorted(fake.started)[:6] == ["at"] * 2 + ["kd"] * 2 + ["student"] * 2


def test_shards_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    for part in (1, 2, 3):
        fake = Fake()
        assert run(monkeypatch, fake, shard=(part, 3))[0] == {}
        started += fake.started
    assert len(started) == 7
    for wrong in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match=r"Invalid shard ./3: i of i/n must be from 1 to n"):
            run(monkeypatch, Fake(), shard=wrong)


def test_a_shard_does_not_wait_for_a_teacher_that_failed_in_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = plan(STUDY, Path("out"))
    teacher = next(r.job for r in runs if r.method == "teacher").recipe.output

    class Elsewhere(Fake):
        def __call__(self, job: Job) -> Fake.Process:
            teacher.mkdir(parents=True, exist_ok=True)
            (teacher / "error.txt").write_text("lix: no.")
            return super().__call__(job)

    failed, _ = run(monkeypatch, Elsewhere(), shard=(2, 2))
    assert failed
    assert all("which failed." in sentence for sentence in failed.values())


def test_a_shard_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = next(r.job for r in plan(STUDY, Path("out")) if r.method == "teacher")
    folder = teacher.recipe.output
    folder.mkdir(parents=True)
    (folder / "error.txt").write_text("lix: no.")
    os.utime(folder / "error.txt", (1, 1))  # of an earlier try
    looked = []

    def later(_: float) -> None:
        looked.append(1)
        if len(looked) == 20:
            Fake()(teacher).poll()

    monkeypatch.setattr("lix.study.schedule.time.sleep", later)
    failed, log = run(monkeypatch, Fake(), shard=(2, 2))
    assert not failed
    assert log.count("Waiting for a mfnet teacher seed 0, which another process has to train") == 1
    assert f"its last try failed, see {folder / 'error.txt'}" in log


def test_sigterm_stops_the_trainings_and_can_be_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    class Endless(Fake.Process):
        def poll(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        def terminate(self) -> None:
            stopped.append(self.job.name)

    fake = Fake()
    monkeypatch.setattr(
        fake.__class__, "__call__", lambda self, job: Endless(self, job, failing=False)
    )
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, fake)
    assert len(stopped) == 1
    assert signal.getsignal(signal.SIGTERM) is before
