"""Making a set of streets, in one process or several."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lix.streets.layout import claim, frame_paths, write_frame, write_lists
from lix.streets.plan import Plan, make_plan
from lix.streets.render import render


def write_streets(
    root: Path,
    *,
    images: int,
    size: tuple[int, int],
    seed: int = 0,
    world: str = "town",
    val_images: int | None = None,
    cameras: Sequence[int] = (0, 1),
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write random streets with depth and classes in Virtual KITTI 2's layout.

    Each image is a street of its own, drawn from the seed, the world and its index alone; the
    files do not depend on `workers`, and those that exist already are kept. `train.txt` and
    `val.txt` in `root` list ids such as ``Scene01/clone/Camera_0/00012``.

    Args:
        root: Folder to write to; made if it does not exist.
        images: Number of streets.
        size: Height and width in pixels, at least 32 each.
        seed: Seed of the set.
        world: Name in `WORLDS`.
        val_images: How many of the streets, the last ones, go to val.txt; 2/7 if not given.
        cameras: 0 for the left camera, 1 for the one 0.532725 m to its right.
        workers: Number of processes.
        progress: Called with the number of finished images and `images`, first for those that
            were there before.

    Raises:
        ValueError: If an argument is out of range, or `root` holds something else.
    """
    plan = make_plan(images, size, seed, world, val_images)
    if not cameras or not set(cameras) <= {0, 1}:
        raise ValueError(f"cameras is {tuple(cameras)}; pass (0,), (1,) or (0, 1).")
    if workers < 1:
        raise ValueError(f"workers is {workers}; pass 1 or more.")
    root = Path(root)
    claim(root, plan)
    write_lists(root, plan)
    missing = [index for index in range(images) if _missing_cameras(root, plan, index, cameras)]
    done = images - len(missing)
    tell = progress or _say_nothing
    tell(done, images)
    for _ in _make_all(partial(_make, root, plan, tuple(cameras)), missing, workers):
        done += 1
        tell(done, images)


def _say_nothing(_done: int, _total: int) -> None:
    """Stand in for a missing `progress`."""


def _make_all(make: Callable[[int], None], indices: list[int], workers: int) -> Iterator[None]:
    if workers == 1 or len(indices) < 2:
        yield from map(make, indices)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, indices, chunksize=4)


def _missing_cameras(root: Path, plan: Plan, index: int, cameras: Sequence[int]) -> list[int]:
    return [
        camera
        for camera in sorted(set(cameras))
        if not all(path.exists() for path in frame_paths(root, plan, index, camera).values())
    ]


def _make(root: Path, plan: Plan, cameras: Sequence[int], index: int) -> None:
    for frame in render(plan, index, _missing_cameras(root, plan, index, cameras)):
        write_frame(root, plan, index, frame)
