"""How right and how fast `lix.tools.depth.stereo_disparity` is, on streets with true disparity.

Compared with OpenCV's matcher as its sample sets it up, with the same filling of holes. Sky is
left out: stereo cannot measure it, and the filled disparity there is that of what is next to it.

    python benchmarks/sgbm.py [IMAGES]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lix.data.readers import read_array
from lix.data.sets.vkitti2 import VKITTI2
from lix.streets import StreetPlan, write_streets
from lix.tools.depth.sgbm import fill_holes, stereo_disparity

SIZE = (375, 1242)
BASELINE = 0.532725
SEED = 1000
WORLDS = ("town", "highway")
MEASURES = ("density %", "bad-3 measured", "bad-3 seen", "bad-3 all", "EPE seen", "EPE all", "ms")

Disparity = NDArray[np.float32]


class Scene(NamedTuple):
    """A stereo pair and the truth."""

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    truth: Disparity
    """True disparity in pixels, NaN in the sky."""
    seen: NDArray[np.bool_]
    """Pixels that both cameras see."""


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    cv2.setNumThreads(1)
    matchers: dict[str, Callable[[Scene], Disparity]] = {
        "OpenCV's sample": opencv_sample,
        "lix": lambda s: stereo_disparity(s.left, s.right, fill=False),
    }
    title = f"{images} pairs a world, {SIZE[0]} x {SIZE[1]}, one core"
    table = Table("world", "matcher", *MEASURES, title=title)
    for world in WORLDS:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_streets(root, StreetPlan(images, SIZE, SEED, world, val_images=1))
            scenes = read_scenes(root)
        for name, match in matchers.items():
            rows = np.array([measure(scene, match) for scene in scenes])
            row = [*rows[:, :-1].mean(axis=0), np.median(rows[:, -1])]
            table.add_row(world, name, *(f"{value:.1f}" for value in row))
    Console(width=120).print(table)


def read_scenes(root: Path) -> list[Scene]:
    """All pairs of a folder of streets."""
    left, right = (VKITTI2(root, lists="all", cameras=[camera]) for camera in (0, 1))
    scenes = []
    for index in range(len(left)):
        truth, other = (true_disparity(views, index) for views in (left, right))
        columns = np.arange(truth.shape[1]) - np.nan_to_num(truth)
        there = np.take_along_axis(other, columns.round().astype(int).clip(0), axis=1)
        seen = (columns >= 0) & (np.abs(there - truth) <= 1)
        images = (read_array(views.image_path(views.ids[index]), "RGB") for views in (left, right))
        scenes.append(Scene(*images, truth, seen))
    return scenes


def true_disparity(views: VKITTI2, index: int) -> Disparity:
    depth = views.x_sources[0].read(views.ids[index])[0].numpy()
    camera = views.intrinsics(views.ids[index])
    assert camera is not None
    return np.float32(float(camera[0, 0]) * BASELINE) / depth


def measure(scene: Scene, match: Callable[[Scene], Disparity]) -> list[float]:
    """A value for each of `MEASURES`."""
    start = time.perf_counter()
    sparse = match(scene)
    dense = fill_holes(sparse)
    milliseconds = 1000 * (time.perf_counter() - start)
    land = np.isfinite(scene.truth)
    error = np.abs(dense - scene.truth)
    measured, seen = land & np.isfinite(sparse), land & scene.seen
    bad = [100 * float((error[where] > 3).mean()) for where in (measured, seen, land)]
    ends = [float(error[where].mean()) for where in (seen, land)]
    return [100 * float(measured.sum() / land.sum()), *bad, *ends, milliseconds]


def opencv_sample(scene: Scene) -> Disparity:
    """The parameters of OpenCV's samples/cpp/stereo_match.cpp, for colour images."""
    left, right = (np.ascontiguousarray(view[..., ::-1]) for view in (scene.left, scene.right))
    matcher = cv2.StereoSGBM.create(
        numDisparities=160,
        blockSize=3,
        P1=8 * 3 * 3**2,
        P2=32 * 3 * 3**2,
        disp12MaxDiff=1,
        preFilterCap=63,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=32,
    )
    matched = np.asarray(matcher.compute(left, right)).astype(np.float32) / 16
    return np.where(matched < 0, np.float32(np.nan), matched)


if __name__ == "__main__":
    main()
