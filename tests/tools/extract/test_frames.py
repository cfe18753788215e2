"""Lenses of CameraInfo: what is straight in the world becomes straight in the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lix.tools.extract.frames import Camera

INTRINSICS = np.array([[60.0, 0, 79.5], [0, 60.0, 59.5], [0, 0, 1]])
SIZE = (120, 160)
POINT = np.array([[[0.6, -0.4, 1.0]]])


def seen(distortion: np.ndarray, is_fisheye: bool) -> np.ndarray:
    """The pixel of the point in the image of the lens."""
    still = np.zeros(3)
    if is_fisheye:
        return cv2.fisheye.projectPoints(POINT, still, still, INTRINSICS, distortion)[0].ravel()
    return cv2.projectPoints(POINT, still, still, INTRINSICS, distortion)[0].ravel()


@pytest.mark.parametrize(
    ("coefficients", "is_fisheye"),
    [
        ((-0.2, 0.05, 0.001, 0.002, 0.0), False),
        ((0.3, 0.02, 0.001, 0.0, 0.01, 0.5, 0.05, 0.0), False),
        ((0.05, -0.01, 0.002, 0.0), True),
    ],
    ids=["plumb_bob", "rational_polynomial", "equidistant"],
)
def test_a_point_moves_to_where_a_pinhole_has_it(
    coefficients: tuple[float, ...], is_fisheye: bool
) -> None:
    distortion = np.array(coefficients)
    column, row = seen(distortion, is_fisheye)
    image = np.zeros((*SIZE, 3), np.uint8)
    cv2.circle(image, (round(column), round(row)), 2, (255, 255, 255), -1)
    camera = Camera(INTRINSICS, distortion, is_fisheye).for_size(SIZE)
    rows, columns = np.nonzero(camera.rectified(image)[..., 0] > 128)
    assert columns.mean() == pytest.approx(60 * 0.6 + 79.5, abs=1)
    assert rows.mean() == pytest.approx(60 * -0.4 + 59.5, abs=1)
    assert abs(column - (60 * 0.6 + 79.5)) > 2


def test_depth_is_not_mixed_and_what_is_outside_is_invalid() -> None:
    depth = np.full(SIZE, 5, np.float32)
    depth[:, 80:] = 50
    camera = Camera(INTRINSICS, np.array([0.1, 0.0, 0.0, 0.0, 0.0])).for_size(SIZE)
    rectified = camera.rectified(depth, smooth=False)
    assert set(np.unique(rectified[np.isfinite(rectified)])) == {5, 50}
    assert np.isnan(rectified).any()


def test_a_camera_without_distortion_changes_nothing() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    camera = Camera(INTRINSICS, np.zeros(5)).for_size(SIZE)
    assert camera.rectified(image) is image
