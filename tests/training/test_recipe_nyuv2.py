"""recipes/nyuv2.yaml for two steps, on made files and with a small backbone, also with a drive."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lix.runs.folder import RunFolder
from lix.runs.recipe import Recipe
from tests.cli.test_cli import lix
from tests.data.sets.contract import save

RECIPES = Path(__file__).parents[2] / "recipes"
SIZE = (64, 96)
FEWER = (
    *("--network.options.backbone", "test_resnet", "--data.size", "64", "96"),
    *("--optim.batch-size", "2", "--training.epochs", "1", "--training.evaluate-every", "1"),
    *("--optim.warmup", "0", "--training.workers", "0", "--training.accelerator", "cpu"),
)


def frame(root: Path, image: str, depth: str, label: str = "") -> None:
    draw = np.random.default_rng(zlib.crc32(image.encode()))
    save(root / image, draw.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    save(root / depth, draw.integers(600, 9000, SIZE, dtype=np.uint16))
    if label:
        save(root / label, draw.integers(0, 41, SIZE, dtype=np.uint8))


def result(run: Path) -> dict[str, Any]:
    return json.loads(RunFolder(run).result.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_it_runs_as_written(tmp_path: Path) -> None:
    root, video = tmp_path / "nyuv2", tmp_path / "video"
    for number in range(5):
        frame(root, f"RGB/{number}.jpg", f"Depth/{number}.png", f"Label/{number}.png")
        frame(video, f"sync/den_1/rgb_{number:05}.jpg", f"sync/den_1/sync_depth_{number:05}.png")
    (root / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "test.txt").write_text("4\n")
    own = (RECIPES / "nyuv2-video-data.yaml").read_text(encoding="utf-8")
    (video / "nyuv2-video-data.yaml").write_text(own, encoding="utf-8")
    words = ("-r", "recipes/nyuv2.yaml", "--data.root", root, *FEWER)
    teacher, drive = tmp_path / "teacher", tmp_path / "drive"
    assert lix("train", *words, "--role", "teacher", "--output", teacher) == 0
    assert result(teacher)["steps_per_epoch"] == 2
    more = ("--unlabelled.name", "folder", "--unlabelled.root", video / "nyuv2-video-data.yaml")
    method = ("--method", "dwld", "--teacher", teacher)
    assert lix("distill", *words, *method, *more, "--output", drive) == 0
    recipe = Recipe.load(RunFolder(drive).recipe)
    assert recipe.augment.scale == (0.5, 1.75)
    assert len(result(drive)["iou"]) == 40
