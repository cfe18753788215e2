"""Which point falls into which pixel, which are hidden, and what is between them."""

from __future__ import annotations

import cv2
import numpy as np

from lix.tools.depth.lidar.completion import complete
from lix.tools.depth.lidar.projection import Gaps, drop_hidden, project, typical_gaps
from tests.tools.depth.lidar.scene import BOARD, INTRINSICS, SIZE, calibration, cloud


def points(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_pixels_and_the_nearest_point() -> None:
    depth = project(
        points((10, 2, 1), (5, 1, 0.5), (8, 1.6, 0.8), (-5, 0, 0), (0.1, 0, 0), (5, 9, 0)),
        calibration(),
        SIZE,
    )
    # 50 · -2/10 + 39.5 and 50 · -1/10 + 29.5, half to even
    assert np.argwhere(np.isfinite(depth)).tolist() == [[24, 30]]
    assert depth[24, 30] == 5


def test_depth_is_that_along_the_optical_axis_of_the_camera() -> None:
    made = calibration()
    made.lidar_to_camera[2, 3] = -0.5
    assert np.nanmin(project(points((10, 0, 0)), made, SIZE)) == 9.5


def test_distortion_moves_points_as_opencv_says() -> None:
    bent = np.array([-0.3, 0.1, 0.001, -0.002, 0.0])
    there = np.array([[5.0, 3.0, 10]])
    (pixel,), _ = cv2.projectPoints(there, np.zeros(3), np.zeros(3), INTRINSICS, bent)
    column, row = pixel[0].round().astype(int)
    straight = project(points((10, -5, -3)), calibration(), SIZE)
    made = project(points((10, -5, -3)), calibration(distortion=bent), SIZE)
    assert np.isfinite(made[row, column])
    assert not np.isfinite(straight[row, column])
    # So far outside of the field the polynomial points back into the image.
    bent = np.array([-0.1, 0.0, 0.0, 0.0])
    far = points((1, -3, 0))
    (pixel,), _ = cv2.projectPoints(
        far[:, [1, 2, 0]] * [-1, -1, 1], *np.zeros((2, 3)), INTRINSICS, bent
    )
    assert 0 <= pixel[0][0] < SIZE[1]
    assert not np.isfinite(project(far, calibration(distortion=bent), SIZE)).any()


def test_points_behind_the_board_are_dropped_and_those_beside_it_stay() -> None:
    made = calibration(above=1.5)
    depth = project(cloud(above=1.5)[:, :3], made, SIZE)
    rows, columns = np.indices(SIZE)
    inside = (np.abs((columns - 39.5) * BOARD / 50) < 0.9) & (
        np.abs((rows - 29.5) * BOARD / 50) < 0.9
    )
    hidden = inside & (depth > BOARD + 1)
    assert hidden.sum() > 20  # the LiDAR looks over the board at the wall behind it
    visible = drop_hidden(depth)
    assert not (inside & (visible > BOARD + 1)).any()
    dropped = np.isfinite(depth) & ~np.isfinite(visible)
    assert not (dropped & (depth == BOARD)).any()
    beside = ~inside & np.isfinite(depth)
    assert (dropped & beside).sum() < 0.02 * beside.sum()


def test_typical_gaps_are_those_of_the_rings() -> None:
    depth = np.full((100, 120), np.nan, np.float32)
    depth[::7, ::3] = 1
    assert typical_gaps(depth) == Gaps(7, 3)
    assert typical_gaps(np.full((4, 5), np.nan, np.float32)) == Gaps(1, 1)


def road(size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Depth of a level road, 1.5 m below a camera."""
    rows = np.arange(size[0], dtype=np.float32)[:, None] + 8
    return np.broadcast_to(150 / rows, size).astype(np.float32)


def rings(depth: np.ndarray, down: int = 5, across: int = 2) -> np.ndarray:
    sparse = np.full_like(depth, np.nan)
    sparse[10::down, ::across] = depth[10::down, ::across]
    return sparse


def test_planes_are_filled_exactly_and_the_sky_stays_empty() -> None:
    truth = road()
    filled = complete(rings(truth, down=3))
    inner = np.s_[10:116, :159]
    assert np.allclose(filled[inner], truth[inner], rtol=1e-4)
    assert np.isnan(filled[:10]).all()
    assert np.isnan(complete(np.full((9, 9), np.nan, np.float32))).all()


def test_wide_holes_stay_empty() -> None:
    sparse = rings(road())
    sparse[50:90, 40:80] = np.nan
    assert np.isnan(complete(sparse)[60:80, 50:70]).all()


def test_no_depth_lies_between_two_surfaces_and_the_image_says_where_they_meet() -> None:
    truth = np.full((60, 90), 30, np.float32)
    truth[23:43, 31:57] = 6
    image = np.where(truth[..., None] == 6, 40, 200).astype(np.uint8).repeat(3, axis=2)
    sparse = rings(truth, 5, 4)
    plain, guided = complete(sparse), complete(sparse, image)
    for filled in (plain, guided):
        assert set(np.unique(filled[np.isfinite(filled)]).round(3)) == {6, 30}
    wrong = [int((np.abs(f - truth) > 1).sum()) for f in (plain, guided)]
    assert wrong[1] < wrong[0] / 3
