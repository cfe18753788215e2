"""How right and how fast `lix data depth --engine lidar` is, on streets with true depth.

The sweeps are those of the simulated LiDAR, with points behind the car added up to 120,000, as a
real sensor has. Beside lix stands the depth of the nearest point (OpenCV's distance transform).
Coverage is the share of the pixels with a surface; sky is left out.

    python benchmarks/lidar.py [IMAGES]
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
from lix.streets import StreetPlan, write_streets
from lix.tools.depth import build_engine, make_depth
from lix.tools.depth.lidar.calibration import read_calibration
from lix.tools.depth.lidar.completion import complete
from lix.tools.depth.lidar.points import read_points
from lix.tools.depth.lidar.projection import Depth, drop_hidden, project

SIZE = (375, 1242)
SEED = 1000
POINTS = 120_000
WORLDS = ("town", "highway")
LEFT = "Scene*/*/frames/rgb/Camera_0/rgb_*.jpg"
SWEEPS = "Scene*/*/frames/lidar/lidar_*.bin"
MEASURES = ("coverage %", "median %", "off > 5 % %", "mean m", "RMSE m", "ms")


class Scene(NamedTuple):
    """An image, what the LiDAR has measured of it, and the truth."""

    image: NDArray[np.uint8]
    points: Depth
    """All points in the image, hidden ones too."""
    truth: Depth


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    cv2.setNumThreads(1)
    methods: dict[str, Callable[[Scene], Depth]] = {
        "all points": lambda s: s.points,
        "points seen (--sparse)": lambda s: drop_hidden(s.points),
        "nearest point": lambda s: nearest_point(drop_hidden(s.points)),
        "lix, hidden points kept": lambda s: complete(s.points),
        "lix": lambda s: complete(drop_hidden(s.points)),
        "lix --guided": lambda s: complete(drop_hidden(s.points), s.image),
    }
    title = f"{images} images a world, {SIZE[0]} x {SIZE[1]}, one core"
    table = Table("world", "depth of", *MEASURES, title=title)
    speeds: dict[str, float] = {}
    for world in WORLDS:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            plan = StreetPlan(images, SIZE, SEED, world, val_images=1)
            write_streets(root, plan, cameras=(0,), lidar=True)
            for path in root.glob(SWEEPS):
                add_points(path)
            scenes = [read_scene(root, path) for path in sorted(root.glob(LEFT))]
            speeds |= {f"{world}, {name}": speed for name, speed in whole_command(root).items()}
        for name, method in methods.items():
            rows = np.array([measure(scene, method) for scene in scenes])
            row = [*rows[:, :-1].mean(axis=0), np.median(rows[:, -1])]
            table.add_row(world, name, *(f"{value:.2f}" for value in row))
    console = Console(width=120)
    console.print(table)
    for name, speed in speeds.items():
        console.print(f"{name}: {speed:.1f} frames/s from .bin to .png, {POINTS:,} points")


def add_points(path: Path) -> None:
    """Add points behind the car, so that a file is as large as a real sensor's."""
    points = np.fromfile(path, np.float32).reshape(-1, 4)
    random = np.random.default_rng(0)
    behind = random.uniform(-60, 60, (POINTS - len(points), 4)).astype(np.float32)
    behind[:, 0] = -np.abs(behind[:, 0]) - 2
    np.concatenate([points, behind]).tofile(path)


def read_scene(root: Path, path: Path) -> Scene:
    image = read_array(path, "RGB")
    frames, number = path.parents[2], path.stem[-5:]
    points = read_points(frames / "lidar" / f"lidar_{number}.bin")
    depth = read_array(frames / "depth" / "Camera_0" / f"depth_{number}.png").astype(np.float32)
    truth = np.where(depth == 65535, np.nan, depth / 100).astype(np.float32)
    calibration = read_calibration(root / "calib.yaml", path)
    return Scene(image, project(points, calibration, SIZE), truth)


def measure(scene: Scene, method: Callable[[Scene], Depth]) -> list[float]:
    """A value for each of `MEASURES`."""
    start = time.perf_counter()
    depth = method(scene)
    milliseconds = 1000 * (time.perf_counter() - start)
    land = np.isfinite(scene.truth)
    both = land & np.isfinite(depth)
    error = np.abs(depth - scene.truth)[both]
    share = error / scene.truth[both]
    values = [both.sum() / land.sum(), np.median(share), (share > 0.05).mean()]
    metres = [error.mean(), np.sqrt((error**2).mean())]
    return [*(100 * float(value) for value in values), *map(float, metres), milliseconds]


def nearest_point(depth: Depth, reach: int = 12) -> Depth:
    holes = np.isnan(depth)
    distance, labels = cv2.distanceTransformWithLabels(
        holes.astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1, np.float32)
    values[labels[~holes]] = depth[~holes]
    return np.where(distance <= reach, values[labels], np.float32(np.nan))


def whole_command(root: Path) -> dict[str, float]:
    """Frames a second of `make_depth`, reading and writing included."""
    speeds = {}
    files = {"points": SWEEPS, "calibration": "calib.yaml"}
    for name in ("sparse", "default", "guided"):
        more = {} if name == "default" else {name: True}
        engine = build_engine("lidar", **files, **more)
        start = time.process_time()
        report = make_depth(root, engine, left=LEFT, output=root / f"x-{name}")
        speeds[name] = report.written / (time.process_time() - start)
    return speeds


if __name__ == "__main__":
    main()
