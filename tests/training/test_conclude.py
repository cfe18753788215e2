"""What a run leaves and says at its end."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from rich.console import Console

import lix.evaluation.figures
from lix.data.sets.vkitti2 import VKITTI2
from lix.evaluation.metrics import scores
from lix.runs.folder import RunFolder
from lix.runs.history import read_history
from lix.training.fit import fit
from tests.training.test_fit import recipe

WIDTH = 1.5 * 150
"""Pixels of a small picture in a sheet."""


def train(root: Path, output: Path, **settings: Any) -> tuple[RunFolder, str]:
    stream = io.StringIO()
    run = fit(recipe(root, output, **settings), console=Console(file=stream, width=1000))
    return RunFolder(run), stream.getvalue()


def test_a_run_ends_with_its_table_and_says_how_its_epoch_was_chosen(
    streets: Path, tmp_path: Path
) -> None:
    run, text = train(streets, tmp_path / "run", training={"epochs": 4}, role="teacher")
    result = json.loads(run.result.read_text())
    table = iou_by_class(text)
    for name, iou in result["iou"].items():
        assert table[name] == ("absent" if iou is None else f"{100 * iou:.1f}")
    scores = [100 * v for _, name, v in read_history(run.history) if name == "val_mIoU"]
    best, last = max(scores), text.splitlines()[-1]
    assert f"val mIoU {best:.1f} % (epoch {1 + scores.index(best)}, chosen as the best" in last
    assert f"last epoch {scores[-1]:.1f} %" in last
    assert f"mean of the last 3 evaluations {sum(scores[1:]) / 3:.1f} %" in last
    with Image.open(run.pictures) as sheet, Image.open(run.curves) as curves:
        assert sheet.width == pytest.approx(4 * WIDTH, abs=1)
        assert curves.width > curves.height


def iou_by_class(text: str) -> dict[str, str]:
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {row[0]: row[1] for row in cells if len(row) == 3}


def test_the_last_epoch_is_no_choice(streets: Path, tmp_path: Path) -> None:
    _, text = train(streets, tmp_path / "run", training={"epochs": 1, "keep": "last"})
    assert "(the last epoch)" in text


@pytest.mark.slow
def test_classes_that_the_yaml_does_not_score(streets: Path, tmp_path: Path) -> None:
    images = "Scene*/*/frames/{}/Camera_0/{}_*.{}"
    files = {
        "image": images.format("rgb", "rgb", "jpg"),
        "label": images.format("classSegmentation", "classgt", "png"),
    }
    entries = {
        "root": str(streets),
        "classes": list(VKITTI2.classes),
        "palette": [list(colour) for colour in VKITTI2.palette],
        "ignore": [[0, 0, 0]],
        "not_scored": ["Sky"],
        "train": files,
        "val": {part: pattern.replace("Camera_0", "Camera_*") for part, pattern in files.items()},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(entries))
    data = {"name": "folder", "root": tmp_path / "own.yaml"}
    run, text = train(streets, tmp_path / "run", training={"epochs": 1}, data=data)
    result, sky = json.loads(run.result.read_text()), VKITTI2.classes.index("Sky")
    assert result["not_scored"] == ["Sky"]
    assert iou_by_class(text)["Sky"] == "not scored"
    confusion = torch.tensor(result["confusion"])
    assert confusion[sky].sum() > 0, "the network and the matrix still have the class"
    expected = scores(confusion, [sky]).mIoU
    assert expected != scores(confusion).mIoU
    (epoch_end,) = (v for _, name, v in read_history(run.history) if name == "val_mIoU")
    assert result["mIoU"] == pytest.approx(expected)
    assert epoch_end == pytest.approx(expected, abs=1e-5), "and so does the choice of the epoch"


def test_a_student_is_shown_without_x(streets: Path, tmp_path: Path) -> None:
    root = tmp_path / "rgb_only"
    shutil.copytree(streets, root)
    for folder in root.rglob("depth"):
        shutil.rmtree(folder)
    run, text = train(root, tmp_path / "run", training={"epochs": 1})
    assert "warning" not in text
    with Image.open(run.pictures) as sheet:
        assert sheet.width == pytest.approx(3 * WIDTH, abs=1)


def test_pictures_that_cannot_be_written_cost_no_result(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(lix.evaluation.figures, "save_figure", full)
    run, text = train(streets, tmp_path / "run", training={"epochs": 1})
    assert run.usable
    assert "not all of its pictures: No space left on device" in text
    assert text.splitlines()[-1].endswith(f"result in {run.result}")
