"""`lix data extract`: from a bag to two folders, images and depth of the same names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import UserError, one_line
from lix.core.files import atomic_write, write_text
from lix.data.readers import UNREADABLE
from lix.deploy.image_files import is_whole, save_png
from lix.tools.depth.claim import claim
from lix.tools.depth.engine import DEPTH
from lix.tools.depth.lidar.calibration import Calibration
from lix.tools.depth.lidar.frames import points_to_depth
from lix.tools.depth.make import stored
from lix.tools.extract.bag import X_KINDS, Bag, Message, Topic, open_bag
from lix.tools.extract.frames import Camera, find_calibration, find_camera, find_motion
from lix.tools.extract.messages import colours, is_jpeg, metres, points
from lix.tools.extract.pairing import pair

QUALITY = 95
"""Quality of JPEG files; images that were lossless stay so, as PNG."""
MOTION_WIDTH = 64
"""Width in pixels of the images of which motion is told."""
NANO = 1_000_000_000

Progress = Callable[[int], None]
"""Called with the number of images that were looked at."""


@dataclass(frozen=True)
class Options:
    """What to take of a bag."""

    image: str | None = None
    """Topic of the images; default: the only one."""
    x: str | None = None
    """Topic of depth images or point clouds; default: the only one, depth images first."""
    calibration: Path | None = None
    """YAML file in place of CameraInfo and tf."""
    odometry: str | None = None
    """Topic of poses by which points are moved to the time of the image; default: they stay."""
    every: float = 0.0
    """Smallest time between two pairs in seconds."""
    max_gap: float = 0.05
    """Largest time between an image and its partner in seconds."""
    min_motion: float = 0.0
    """Smallest mean change of grey (0 … 255) from the last image that was taken."""
    sparse: bool = False
    """Keep holes between the points of a LiDAR."""
    guided: bool = False
    """Let depth between two surfaces jump where the image changes most."""

    def __post_init__(self) -> None:
        for name in ("every", "max_gap", "min_motion"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; give 0 or more."
                )
        if self.sparse and self.guided:
            raise ValueError("--guided fills holes and --sparse keeps them; leave out one.")


@dataclass
class Report:
    """What `extract` has done."""

    folder: Path
    written: int = 0
    kept: int = 0
    """Number of pairs that were there before."""
    unpaired: int = 0
    """Number of images without a partner."""
    still: int = 0
    """Number of images that show what the last one shows."""
    failed: dict[str, str] = field(default_factory=dict)
    """Time of each pair that cannot be used, and why."""

    def __str__(self) -> str:
        left_out = f"{self.unpaired} images without a partner, {self.still} without motion"
        train = f"--unlabelled.root {self.folder}/rgb --unlabelled.options.x {self.folder}/depth"
        return (
            f"{self.folder}: {self.written} pairs written, {self.kept} kept; {left_out}. Train "
            f"with {train}"
        )


def extract(
    path: Path, output: Path, options: Options | None = None, *, progress: Progress | None = None
) -> Report:
    """Write `rgb/TIME.png` or `.jpg`, `depth/TIME.png` and `drive.yaml`; TIME is in ns.

    Images are rectified where CameraInfo has distortion, depth is that of the rectified image, as
    16-bit PNG, 0 = invalid. Pairs that exist are kept. Memory does not grow with the bag.

    Args:
        path: the bag.
        output: folder to write.
        options: what to take; default: all pairs.
        progress: called after every image.

    Raises:
        UserError: the bag is damaged or lacks what is needed, no pair is found, or some cannot be
            used; the others are done by then.
        ValueError: the folder holds X of another origin.
        OSError: it cannot be written.
    """
    options = options or Options()
    with open_bag(path) as bag:
        image = bag.choose(options.image, ("image",), "--image")
        x = bag.choose(options.x, X_KINDS, "--x")
        maker = _Maker(bag, image, x, options)
        record = {"engine": "extract", "bag": path.name, **maker.settings}
        claim(output / "depth", record, DEPTH)
        report = Report(output)
        gaps = {"max_gap": round(options.max_gap * NANO), "every": round(options.every * NANO)}
        stream = bag.messages([image.name, x.name])
        for number, (picture, partner) in enumerate(pair(stream, image.name, x.name, **gaps), 1):
            if partner is None:
                report.unpaired += 1
            else:
                maker.make(picture, partner, report)
            if progress is not None:
                progress(number)
    _require_pairs(report, path, image, x, options)
    _describe(output, maker.camera)
    if report.failed:
        raise UserError(f"{path}: {_failures(report)}", path)
    return report


def _require_pairs(report: Report, path: Path, image: Topic, x: Topic, options: Options) -> None:
    if report.written + report.kept:
        return
    if report.failed:
        raise UserError(f"{path}: {_failures(report)}", path)
    raise UserError(
        f"{path}: no image of {image.name} has a message of {x.name} within "
        f"{options.max_gap:g} s; see `lix data extract {path} --list`, and raise --max-gap.",
        path,
    )


def _failures(report: Report) -> str:
    time, reason = next(iter(report.failed.items()))
    total = len(report.failed) + report.written + report.kept + report.still
    return (
        f"{len(report.failed)} of {total} pairs cannot be used, the others are done; the first at "
        f"{time}: {reason.removesuffix('.')}."
    )


class _Maker:
    """Makes the files of a pair."""

    def __init__(self, bag: Bag, image: Topic, x: Topic, options: Options) -> None:
        self.bag, self.image, self.x, self.options = bag, image, x, options
        self.camera, self.calibration = find_calibration(bag, image, x, options.calibration)
        self.x_camera = find_camera(bag, x) or self.camera if x.kind == "depth" else None
        self.motion = None
        if options.odometry is not None:
            topic = bag.choose(options.odometry, ("odometry",), "--odometry")
            self.motion = find_motion(bag, topic, x)
        self._last: NDArray[np.float32] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "image": self.image.name,
            "x": self.x.name,
            "odometry": self.options.odometry,
            "intrinsics": self.camera.intrinsics.tolist(),
            "distortion": self.camera.distortion.tolist(),
            "x_to_camera": self.calibration.lidar_to_camera.tolist(),
            "sparse": self.options.sparse,
            "guided": self.options.guided,
        }

    def make(self, picture: Message, partner: Message, report: Report) -> None:
        """Write a pair, unless it is there or shows what the last one shows."""
        target = report.folder / "depth" / f"{picture.stamp}.png"
        photographs = [report.folder / "rgb" / f"{picture.stamp}{s}" for s in (".png", ".jpg")]
        is_there = is_whole(target) and any(path.is_file() for path in photographs)
        if is_there and not self.options.min_motion:
            report.kept += 1
            return
        try:
            message = self.bag.decode(picture)
            rgb = self._rectified(colours(message))
            if self._is_still(rgb):
                report.still += 1
                return
            if is_there:
                report.kept += 1
                return
            moved = self.motion.between(partner.stamp, picture.stamp) if self.motion else None
            depth = self._depth(self.bag.decode(partner), rgb, moved)
        except UNREADABLE as error:
            report.failed[f"{picture.stamp} ns"] = one_line(error)
            return
        _save(rgb, photographs[is_jpeg(message)])
        save_png(Image.fromarray(stored(depth, DEPTH)), target)
        report.written += 1

    def _rectified(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = image.shape[0], image.shape[1]
        if self.camera.maps is None:
            self.camera = self.camera.for_size(size)
        return np.asarray(self.camera.rectified(image), np.uint8)

    def _is_still(self, rgb: NDArray[np.uint8]) -> bool:
        """Whether the image is that which was taken last, but for its brightness."""
        if not self.options.min_motion:
            return False
        import cv2

        size = MOTION_WIDTH, max(1, MOTION_WIDTH * rgb.shape[0] // rgb.shape[1])
        large = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        grey = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.float32)
        grey -= grey.mean()
        last = self._last
        if last is not None and np.abs(grey - last).mean() < self.options.min_motion:
            return True
        self._last = grey
        return False

    def _depth(
        self, message: Any, rgb: NDArray[np.uint8], moved: NDArray[np.float64] | None
    ) -> NDArray[np.float32]:
        """Depth of the rectified image, (H, W) metres, NaN = invalid.

        Args:
            message: X.
            rgb: the rectified image.
            moved: (4, 4) motion of X's sensor until the time of the image.
        """
        size = rgb.shape[0], rgb.shape[1]
        matrix = self.calibration.lidar_to_camera @ (np.eye(4) if moved is None else moved)
        place = Calibration(self.camera.intrinsics, matrix)
        guide = rgb if self.options.guided else None
        how: dict[str, Any] = {"sparse": self.options.sparse, "guide": guide}
        if self.x_camera is None:
            return points_to_depth(points(message), place, size, **how)
        depth = metres(message)
        camera = self.x_camera.for_size((depth.shape[0], depth.shape[1]))
        depth = np.asarray(camera.rectified(depth, smooth=False), np.float32)
        if _is_registered(depth, camera, place, size):
            return depth
        return points_to_depth(_lifted(depth, camera), place, size, **how)


def _is_registered(
    depth: NDArray[np.float32], camera: Camera, place: Calibration, size: tuple[int, int]
) -> bool:
    """Whether a depth image is already that of the colour camera."""
    same = np.allclose(camera.intrinsics, place.intrinsics, atol=0.5)
    return depth.shape == size and same and np.allclose(place.lidar_to_camera, np.eye(4), atol=1e-4)


def _lifted(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Points (N, 3) of a depth image in the frame of its camera."""
    rows, columns = np.nonzero(np.isfinite(depth))
    z = depth[rows, columns]
    pixels = np.stack([columns, rows, np.ones_like(rows)])
    rays = np.linalg.inv(camera.intrinsics) @ pixels
    return (rays.T * z[:, None]).astype(np.float32)


def _save(rgb: NDArray[np.uint8], path: Path) -> None:
    picture = Image.fromarray(rgb)
    if path.suffix == ".png":
        save_png(picture, path)
        return
    with atomic_write(path) as part:
        picture.save(part, format="JPEG", quality=QUALITY, subsampling=0)


def _describe(output: Path, camera: Camera) -> None:
    """Write `drive.yaml`, which has the intrinsics next to the files, for surface normals."""
    k = camera.intrinsics
    x = DEPTH.model_dump(mode="json", exclude_defaults=True) | {"scale": "1/256"}
    suffix = ".jpg" if next((output / "rgb").glob("*.jpg"), None) else ".png"
    entries = {
        "files": {"image": f"rgb/*{suffix}", "x": "depth/*.png"},
        "x": x,
        "intrinsics": [float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])],
    }
    write_text(output / "drive.yaml", yaml.safe_dump(entries, sort_keys=False))
