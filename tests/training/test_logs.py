"""What loggers get: learning rate, IoU by class and pictures; each of Lightning's by its name."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lix.core import errors
from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.training.fit import fit
from tests.training.test_fit import losses, recipe, weights


def test_tensorboard_gets_rate_classes_and_pictures(streets: Path, tmp_path: Path) -> None:
    run = RunFolder(fit(recipe(streets, tmp_path / "run", role="teacher")))
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    tags = events.Tags()
    history = {(epoch, name): v for epoch, name, v in read_history(run.history)}
    rates = [event.value for event in events.Scalars("lr")]
    assert rates == pytest.approx([history[0, "lr"], history[1, "lr"]])
    result = json.loads(run.result.read_text())
    assert (
        f"IoU/{next(c for c, iou in result['iou'].items() if iou is not None)}" in tags["scalars"]
    )
    assert tags["images"] == [f"frame {number}" for number in range(1, 7)]
    pictures = events.Images("frame 1")
    assert [picture.step for picture in pictures] == [4, 8]
    assert (pictures[0].height, pictures[0].width) == (32, 4 * 64 + 3)
    assert not any(name.startswith("IoU") for _, name in history), "the history stays as it was"


def test_csv_changes_nothing_but_the_log(streets: Path, tmp_path: Path) -> None:
    plain = fit(recipe(streets, tmp_path / "a", training={"epochs": 1}))
    run = fit(recipe(streets, tmp_path / "b", training={"epochs": 1, "logger": "csv"}))
    assert not (run / "tensorboard").exists()
    (metrics,) = run.glob("csv/*/metrics.csv")
    with metrics.open(newline="", encoding="utf-8") as file:
        assert "IoU/Road" in next(csv.reader(file))
    assert losses(run) == losses(plain)
    assert weights(run).keys() == weights(plain).keys()


def test_a_resume_may_change_the_logger(streets: Path, tmp_path: Path) -> None:
    run = fit(recipe(streets, tmp_path / "run", training={"epochs": 1}))
    before = (run / "result.json").stat().st_mtime_ns
    fit(recipe(streets, run, training={"epochs": 1, "logger": "csv"}), resume=True)
    assert (run / "result.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_that_is_not_installed_is_one_sentence(
    name: str, streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "lix\[{name}\]"'):
        fit(recipe(streets, tmp_path / "run", training={"logger": name}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_into_the_run_and_sends_nothing(streets: Path, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    run = fit(recipe(streets, tmp_path / "run", training={"epochs": 1, "logger": "wandb"}))
    assert list(run.glob("wandb/offline-run-*/*.wandb"))
    assert wandb.run is None, "the next run of this process begins its own"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_writes_into_the_run(streets: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    run = fit(recipe(streets, tmp_path / "run", training={"epochs": 1, "logger": "mlflow"}))
    with sqlite3.connect(run / "mlflow.db") as database:
        names = {name for (name,) in database.execute("select distinct key from metrics")}
    assert {"loss", "lr", "IoU/Road"} <= names
    assert list(run.glob("mlflow/**/*.png"))
