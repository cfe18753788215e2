"""Points of a LiDAR in the pixels of a camera, and which of them the camera cannot see."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lix.tools.depth.lidar.calibration import Calibration

NEAR = 0.3
"""Metres ahead of the camera from which on points are projected."""
BEHIND = 1.15
"""Depth over that of the surface around a point beyond which it is behind it."""
MAX_GAP = 40
"""Largest distance in pixels at which two rings belong to one surface."""
MAX_TANGENT = 4.0
"""Tangent of the largest angle from the optical axis of a camera with distortion."""

Depth = NDArray[np.float32]
"""(H, W) metres, NaN = no value."""


class Gaps(NamedTuple):
    """Typical distances in pixels between neighbouring measurements."""

    rows: int
    columns: int


def project(points: NDArray[np.float32], calibration: Calibration, size: tuple[int, int]) -> Depth:
    """Depth of the nearest point in each pixel.

    Args:
        points: (N, 3) metres in the LiDAR's frame.
        calibration: camera and place of the LiDAR.
        size: height and width of the image.

    Returns:
        (H, W) distance along the optical axis in metres, NaN where no point falls.
    """
    height, width = size
    matrix = calibration.lidar_to_camera.astype(np.float32)
    ahead = points @ matrix[2, :3] + matrix[2, 3] > NEAR
    camera = points[ahead] @ matrix[:3, :3].T + matrix[:3, 3]
    columns, rows = _pixels(camera, calibration).round()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    flat = (rows[inside] * width + columns[inside]).astype(np.int64)
    depth = camera[inside, 2]
    farthest_first = np.argsort(-depth)
    nearest = np.full(height * width, np.nan, np.float32)
    nearest[flat[farthest_first]] = depth[farthest_first]  # of equal places the last one stays
    return nearest.reshape(size)


def drop_hidden(depth: Depth) -> Depth:
    """Drop points that the camera cannot see, though the LiDAR, which stands elsewhere, can.

    A point is behind a surface if nearer points lie on two opposite sides of it, above and below
    or left and right, no farther away than measurements of one surface are. Points next to a
    silhouette have nearer ones on one side only and stay.

    Args:
        depth: from `project`.
    """
    gaps = typical_gaps(depth)
    place = np.nonzero(np.isfinite(depth))
    distance = np.nan_to_num(depth, nan=np.inf)
    down = (gaps.rows + 1, 2 * gaps.columns + 1)
    across = (3, 2 * gaps.columns)
    surface = np.minimum(
        np.maximum(*(_nearest(distance, place, down, axis=0, side=side) for side in (-1, 1))),
        np.maximum(*(_nearest(distance, place, across, axis=1, side=side) for side in (-1, 1))),
    )
    is_hidden = depth[place] > BEHIND * surface
    visible = depth.copy()
    visible[place[0][is_hidden], place[1][is_hidden]] = np.nan
    return visible


def _nearest(
    distance: Depth,
    place: tuple[NDArray[np.int64], ...],
    window: tuple[int, int],
    *,
    axis: int,
    side: int,
) -> NDArray[np.float32]:
    """Smallest distance in a window that ends next to each place, on one side along an axis.

    Args:
        distance: (H, W), inf = nothing.
        place: rows and columns.
        window: its rows and columns.
        axis, side: 0 and -1 for the window above, 0 and 1 below, 1 and -1 left, 1 and 1 right.
    """
    import cv2

    anchor = [window[1] // 2, window[0] // 2]  # OpenCV's order is column, row
    anchor[1 - axis] = window[axis] - 1 if side < 0 else 0
    rectangle = np.ones(window, np.uint8)
    border = cv2.BORDER_CONSTANT
    smallest = cv2.erode(distance, rectangle, None, anchor, 1, border, np.inf)
    beside = place[axis] + side
    is_inside = (beside >= 0) & (beside < distance.shape[axis])
    moved = list(place)
    moved[axis] = np.where(is_inside, beside, 0)
    return np.where(is_inside, np.asarray(smallest)[tuple(moved)], np.float32(np.inf))


def typical_gaps(depth: Depth) -> Gaps:
    """Typical distances between neighbouring measurements, down and across, at most `MAX_GAP`."""
    measured = np.isfinite(depth)
    across = _typical(measured)
    widened = measured.copy()
    for step in range(1, across + 1):  # a column alone lacks the rings that pass beside it
        widened[:, step:] |= measured[:, :-step]
    return Gaps(_typical(widened[:, ::4].T), across)  # some columns tell as much as all


def _typical(measured: NDArray[np.bool_]) -> int:
    """Upper quartile of the steps along rows from one measurement to the next."""
    line, place = np.nonzero(measured)
    steps = np.diff(place)[np.diff(line) == 0]
    steps = steps[steps <= MAX_GAP]
    return int(np.percentile(steps, 75)) if len(steps) else 1


def _pixels(camera: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """Columns and rows (2, N) of points (N, 3) in the camera's frame; outside: -1."""
    plane = camera[:, :2] / camera[:, 2:]
    matrix = calibration.intrinsics.astype(np.float32)
    if not calibration.distortion.any():
        pixels: NDArray[np.float32] = matrix[:2, :2] @ plane.T + matrix[:2, 2:]
        return pixels
    import cv2

    lens = calibration.distortion
    still = np.zeros(3)
    inside = np.linalg.norm(plane, axis=1) < _field(lens)
    pixels = np.full((2, len(camera)), -1, np.float32)
    if inside.any():
        points_inside = camera[inside].astype(np.float64)
        moved = cv2.projectPoints(points_inside, still, still, calibration.intrinsics, lens)[0]
        pixels[:, inside] = np.asarray(moved)[:, 0].T
    return pixels


def _field(distortion: NDArray[np.float64]) -> float:
    """Tangent of the angle from the axis up to which a distortion bends nothing back."""
    import cv2

    tangents = np.linspace(0, MAX_TANGENT, 1000)
    axis = np.stack([tangents, np.zeros(1000), np.ones(1000)], axis=1)
    moved = cv2.projectPoints(axis, np.zeros(3), np.zeros(3), np.eye(3), distortion)[0]
    grows = np.diff(np.asarray(moved)[:, 0, 0]) > 0
    return float(tangents[-1] if grows.all() else tangents[grows.argmin()])
