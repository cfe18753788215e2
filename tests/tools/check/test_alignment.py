"""Edges of X and image that meet, and the shift that is named where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lix.streets import StreetPlan
from lix.streets.render import render
from lix.tools.check.alignment import MAX_SHIFT, Alignment, alignment, jumps
from lix.tools.check.pictures import JUMP_COLOUR, jumps_over
from lix.tools.check.rules.x import x_rules
from lix.tools.check.statistics import XStatistics
from tests.tools.check.cases import judged

SIZE = (96, 320)


@pytest.fixture(scope="module")
def frames() -> list[tuple[np.ndarray, np.ndarray]]:
    """Images and true depth in metres."""
    plan = StreetPlan(5, SIZE, seed=7)
    rendered = [next(render(plan, index, (0,))) for index in range(5)]
    return [(frame.rgb, (frame.depth / 100).astype(np.float32)) for frame in rendered]


def moved(values: np.ndarray, down: int, right: int) -> np.ndarray:
    return np.roll(values, (down, right), axis=(0, 1))


def test_jumps_of_dense_and_of_sparse_depth() -> None:
    depth = np.full((20, 30), 10, np.float32)
    depth[5:15, 8:20] = 4
    found = jumps(depth)
    assert found[5:15, 7].all()
    assert found[5:15, 19].all()
    assert found[4, 8:20].all()
    assert found[14, 8:20].all()
    assert found.sum() == 2 * 10 + 2 * 12 - 1  # a corner has a jump to the right and one below
    sparse = np.full_like(depth, np.nan)
    sparse[::4, ::2] = depth[::4, ::2]
    assert np.argwhere(jumps(sparse)[8]).ravel().tolist() == [7, 19]
    assert not jumps(10 + np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)).any()


@pytest.mark.parametrize(("down", "right"), [(0, 0), (0, 6), (-5, 0), (4, -9)])
def test_the_shift_is_found(down: int, right: int, frames: list[tuple[np.ndarray, ...]]) -> None:
    found = Alignment()
    for image, depth in frames:
        found.add(image, moved(depth, down, right))
    assert found.best is not None
    assert (found.best.down, found.best.right) == (-down, -right)
    assert found.best.score > 8


def test_large_images_are_reduced_and_the_shift_is_in_their_pixels(
    frames: list[tuple[np.ndarray, ...]],
) -> None:
    found = Alignment()
    for image, depth in frames[:2]:
        large = [np.kron(a, np.ones((4, 4, 1) if a.ndim == 3 else (4, 4))) for a in (image, depth)]
        found.add(large[0].astype(np.uint8), moved(large[1].astype(np.float32), 0, 12))
    assert found.factor == 2
    assert found.best is not None
    assert abs(found.best.right + 12) <= 2


def test_frames_without_jumps_or_of_other_sizes_count_nothing(
    frames: list[tuple[np.ndarray, ...]],
) -> None:
    image, depth = frames[0]
    assert alignment(image, np.full(SIZE, 5, np.float32), 1) is None
    found = Alignment()
    found.add(image, depth[:-1])
    assert found.best is None
    scores = alignment(np.zeros((*SIZE, 3), np.uint8), depth, 1)
    assert scores is not None
    assert scores.shape == (2 * MAX_SHIFT + 1,) * 2
    assert np.isfinite(scores).all()


def write_set(folder: Path, frames: list[tuple[np.ndarray, ...]], down: int, right: int) -> Path:
    for number, (image, depth) in enumerate(frames):
        parts = {
            "image": image,
            "label": (np.arange(depth.size).reshape(SIZE) % 2).astype(np.uint8),
            "x": (moved(depth, down, right) * 100).clip(0, 65535).astype(np.uint16),
        }
        for part, values in parts.items():
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / part / f"{number}.png")
    entries = {
        "classes": ["a", "b"],
        "files": {part: f"{part}/*.png" for part in ("image", "label", "x")},
        "x": {"kind": "depth", "unit": "cm"},
    }
    (folder / "train.txt").write_text("0\n1\n2\n3\n")
    (folder / "val.txt").write_text("4\n")
    entries |= {"train": "train.txt", "val": "val.txt"}
    (folder / "lix.yaml").write_text(yaml.safe_dump(entries))
    return folder / "lix.yaml"


def test_a_wrong_calibration_is_a_finding_that_names_the_shift(
    tmp_path: Path, frames: list[tuple[np.ndarray, ...]]
) -> None:
    right = [f for f in judged(write_set(tmp_path / "a", frames, 0, 0)) if f.rule == "calibration"]
    assert not right
    wrong = judged(write_set(tmp_path / "b", frames, -3, 7))
    (finding,) = [f for f in wrong if f.rule == "calibration"]
    assert finding.severity == "warning"
    assert "depth moved 7 px left and 3 px down fits best (4 frames)" in finding.text


def test_jumps_beside_all_edges_on_both_sides_are_not_a_shift() -> None:
    scores = np.zeros((2 * MAX_SHIFT + 1,) * 2, np.float32)
    for side in (-1, 1):
        scores[MAX_SHIFT, MAX_SHIFT + 5 * side] = 4 * 9
    x = XStatistics("depth", 1, alignment=Alignment(9, 1, scores))
    assert x.alignment.best == (0, -5, 4, 0, 4)
    x.files, x.valid, x.pixels, x.low, x.high = 9, 9, 9, 1, 2
    assert "calibration" not in {finding.rule for finding in x_rules(x, 300)}
    scores[MAX_SHIFT, MAX_SHIFT + 5] = 0
    assert "calibration" in {finding.rule for finding in x_rules(x, 300)}


def test_the_overlay_shows_the_jumps(frames: list[tuple[np.ndarray, ...]]) -> None:
    image, depth = frames[0]
    picture = jumps_over(depth, image)
    assert picture.shape == image.shape
    assert np.array_equal((picture == JUMP_COLOUR).all(axis=2), jumps(depth))
