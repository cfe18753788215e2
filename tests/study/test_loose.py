"""Any run folders as results: names, seeds, and what is compared with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lix
from lix.cli.app import app
from lix.evaluation.metrics import METRICS
from lix.runs.folder import RunFolder
from lix.runs.history import write_history
from lix.runs.recipe import Recipe
from lix.study.loose import read_runs
from lix.study.tables import result_groups

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a finished run of made-up numbers."""

    def made(name: str, *, mIoU: float = 0.5, seed: int = 0, **settings: Any) -> Path:
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir(parents=True)
        training = {"training": {"seed": seed}, "data": {"root": tmp_path / "streets"}}
        Recipe.model_validate(training | settings | {"output": folder.path}).save(folder.recipe)
        write_history(
            folder.history, [(0, q, 0.25) for q in (*(f"val_{m}" for m in METRICS), "seconds")]
        )
        result = dict.fromkeys(METRICS, mIoU) | {
            "iou": {"road": mIoU, "<b>car": None},
            **dict.fromkeys(("seconds", "steps_per_epoch", "peak_memory_mb", "parameters"), 1),
            "commit": "abc",
            "hardware": "a machine",
            "kept": "best",
        }
        folder.result.write_text(json.dumps(result))
        return folder.path

    return made


def rows(*folders: Path) -> dict[str, dict[str, float]]:
    """Heading → mean mIoU by row."""
    return {
        group.heading: {row.method: round(row.scores["mIoU"].mean, 4) for row in group.rows}
        for group in result_groups(read_runs(folders))
    }


def test_rows_are_named_by_folder_and_scored_by_the_weights_kept(make: Make) -> None:
    folders = [make("teacher", role="teacher", mIoU=0.7), make("plain"), make("other", mIoU=0.6)]
    other = {"optim": {"lr": 1e-4}}
    folders.append(make("tuned", mIoU=0.55, **other))
    assert rows(*folders[:2], folders[3]) == {
        "streets, mfnet": {"teacher": 0.7, "plain": 0.5, "tuned": 0.55}
    }
    (group,) = result_groups(read_runs(folders))
    assert group.teacher is not None
    assert group.student is not None
    assert (group.teacher.method, group.student.method) == ("teacher", "plain")


def test_runs_that_differ_only_in_the_seed_are_one_row(make: Make) -> None:
    folders = [make(f"kd-seed{seed}", seed=seed, mIoU=0.5 + 0.1 * seed) for seed in (0, 1)]
    assert rows(*folders) == {"streets, mfnet": {"kd (2 seeds)": 0.55}}
    again = make("again", seed=1, mIoU=0.9)
    assert set(rows(*folders, again)["streets, mfnet"]) == {"kd-seed0", "kd-seed1", "again"}


def test_folders_of_one_name_are_told_apart(make: Make) -> None:
    folders = [make("a/run"), make("b/run", optim={"lr": 1e-4})]
    assert set(rows(*folders, folders[0])["streets, mfnet"]) == {"a/run", "b/run"}


def test_networks_are_compared_and_other_frames_are_not(make: Make, tmp_path: Path) -> None:
    here, there = make("here"), make("net", network={"name": "offnet"})
    away = make("away", data={"root": tmp_path / "other" / "streets"})
    assert rows(here, there, away) == {
        "streets, mfnet, offnet": {"here": 0.5, "net": 0.5},
        "streets (2), mfnet": {"away": 0.5},
    }


def test_the_command_and_the_function_write_the_page(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(make("teacher", role="teacher")), str(make("<script>alert(1)"))]
    page = lix.report(*runs, output=tmp_path / "python.html")
    app.meta(["report", *runs, "--output", str(tmp_path / "c.html")], result_action="return_value")
    assert page.read_text() == (tmp_path / "c.html").read_text()
    assert f"Open {tmp_path / 'c.html'}." in capsys.readouterr().out
    assert page.read_text().count("<script>") == 1
    assert "<b>car" not in page.read_text()
    assert (
        "No pictures of teacher, &lt;script&gt;alert(1): the weights are not on" in page.read_text()
    )


def test_the_terminal_names_runs_that_are_left_out(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = make("whole"), make("broken")
    (broken / "history.csv").write_text("epoch,quantity,value\n0,val_mI")
    app.meta(
        ["report", str(whole), str(broken), "--output", str(tmp_path / "r.html")],
        result_action="return_value",
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "1 damaged and left out" in said
    assert str(broken) in said.replace(" ", "")


def test_what_is_no_finished_run_is_one_sentence(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Name run folders"):
        read_runs([])
    with pytest.raises(FileNotFoundError, match="nowhere is missing; name a run folder"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no finished run; finish it with --resume"):
        read_runs([tmp_path / "empty"])
    assert list(read_runs([tmp_path / "empty", make("whole")]).damaged) == [str(tmp_path / "empty")]
