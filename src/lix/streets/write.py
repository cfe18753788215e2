"""Making a set of streets, in one process or several."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lix.core.processes import end_worker_with_parent, outside_of_current_folder
from lix.streets.layout import (
    claim,
    frame_paths,
    sweep_path,
    write_calibration,
    write_frame,
    write_lists,
    write_sweep,
)
from lix.streets.lidar import Lidar, sweep
from lix.streets.plan import StreetPlan
from lix.streets.render import render
from lix.streets.street import draw_street


def write_streets(
    root: Path,
    plan: StreetPlan,
    *,
    cameras: Sequence[int] = (0, 1),
    lidar: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write random streets with depth and classes in Virtual KITTI 2's layout.

    Each image is a street of its own, drawn only from the seed, the world and its index; the files
    do not depend on `workers`, and files that exist are kept. `train.txt` and `val.txt` in `root`
    list ids such as `Scene01/clone/Camera_0/00012`.

    Args:
        root: folder to write to; made if it does not exist.
        plan: settings of the streets.
        cameras: 0 for the left camera, 1 for the one 0.532725 m to its right.
        lidar: also write what a simulated LiDAR measures (`frames/lidar/lidar_00012.bin`, float32
            x, y, z, reflectance) and its calibration to the left camera, `calib.yaml`.
        workers: number of processes.
        progress: called with the number of finished images, and of all images; first for all
            images that exist.

    Raises:
        ValueError: an argument is out of range, or `root` holds something else.
    """
    if not cameras or not set(cameras) <= {0, 1}:
        raise ValueError(f"cameras is {tuple(cameras)}; pass (0,), (1,) or (0, 1).")
    if workers < 1:
        raise ValueError(f"workers is {workers}; pass 1 or more.")
    root = Path(root)
    claim(root, plan)
    write_lists(root, plan)
    if lidar:
        write_calibration(root, plan, Lidar().lidar_to_camera)
    missing = [
        index
        for index in range(plan.images)
        if _missing_cameras(root, plan, index, cameras)
        or (lidar and not sweep_path(root, plan, index).exists())
    ]
    done = plan.images - len(missing)
    if progress is not None:
        progress(done, plan.images)
    make = partial(_make, root.absolute(), plan, tuple(cameras), lidar)
    for _ in _make_all(make, missing, workers):
        done += 1
        if progress is not None:
            progress(done, plan.images)


def _make_all(make: Callable[[int], None], indices: list[int], workers: int) -> Iterator[None]:
    if workers == 1 or len(indices) < 2:
        yield from map(make, indices)
        return
    context = get_context("spawn")
    # Python 3.10 does not know the variable, and puts the current folder on their path.
    is_unsafe = os.environ.get("PYTHONSAFEPATH") and sys.version_info < (3, 11)
    with outside_of_current_folder() if is_unsafe else nullcontext():
        pool = ProcessPoolExecutor(workers, context, end_worker_with_parent)
        made = pool.map(make, indices, chunksize=4)  # starts them
    with pool:
        try:
            yield from made
        finally:
            pool.shutdown(cancel_futures=True)


def _missing_cameras(root: Path, plan: StreetPlan, index: int, cameras: Sequence[int]) -> list[int]:
    return [
        camera
        for camera in sorted(set(cameras))
        if not all(path.exists() for path in frame_paths(root, plan, index, camera).values())
    ]


def _make(root: Path, plan: StreetPlan, cameras: Sequence[int], lidar: bool, index: int) -> None:
    for frame in render(plan, index, _missing_cameras(root, plan, index, cameras)):
        write_frame(root, plan, index, frame)
    path = sweep_path(root, plan, index)
    if lidar and not path.exists():
        street = draw_street(plan.generators(index)[1], plan.kind, plan.size)
        write_sweep(path, sweep(street, Lidar(), plan.lidar_generator(index)))
