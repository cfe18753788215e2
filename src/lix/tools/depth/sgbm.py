"""Disparity of stereo pairs by semi-global matching, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import require
from lix.data.x_files import XFiles
from lix.tools.depth.engine import DISPARITY

if TYPE_CHECKING:
    from cv2 import StereoSGBM

STEP = 16
"""OpenCV's search ranges are multiples of it; its disparities are in 1/16 pixel."""
BLUR, BLOCK = 1.5, 7
STEP_PENALTY, JUMP_PENALTY = 16 * BLOCK**2, 64 * BLOCK**2
"""OpenCV's P1 and P2: penalties of disparities that differ by one, or by more, from a neighbour."""
UNIQUENESS, SPECKLE, SPECKLE_RANGE, GRADIENT_CAP = 5, 100, 2, 31
TOLERANCE = 1.0
"""Largest difference in pixels between the disparities of both views."""


class SGBM:
    """OpenCV's semi-global matching, checked from left to right.

    Args:
        max_disparity: see `stereo_disparity`; beyond 256 px files hold 1/64 px instead of 1/256.
        fill: see `stereo_disparity`.
        threads: number of threads of OpenCV.

    Raises:
        ModuleNotFoundError: OpenCV is missing.
        ValueError: an option out of range.
    """

    name: ClassVar[str] = "sgbm"
    stereo: ClassVar[bool] = True

    def __init__(
        self, *, max_disparity: int | None = None, fill: bool = True, threads: int = 1
    ) -> None:
        require("depth", "cv2")
        import cv2

        if max_disparity is not None:
            _require_positive(max_disparity)
        cv2.setNumThreads(threads)
        self.max_disparity, self.fill = max_disparity, fill

    @property
    def files(self) -> XFiles:
        wide = self.max_disparity is not None and self.max_disparity > 256
        return DISPARITY.model_copy(update={"scale": 1 / 64}) if wide else DISPARITY

    @property
    def settings(self) -> dict[str, Any]:
        return {"max_disparity": self.max_disparity, "fill": self.fill}

    def __call__(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        if right is None:
            raise ValueError("sgbm needs the right image too.")
        return stereo_disparity(left, right, max_disparity=self.max_disparity, fill=self.fill)


def stereo_disparity(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    *,
    max_disparity: int | None = None,
    fill: bool = True,
) -> NDArray[np.float32]:
    """Disparity of the left image of a rectified pair: x in the left = x in the right + disparity.

    Semi-global matching of three directions (Hirschmüller, 2008; OpenCV's `StereoSGBM`) of the
    blurred grey images, in both directions; where these differ, the disparity is invalid. The
    constants above come from measurements on Procedural Streets (benchmarks/sgbm.py).

    Args:
        left, right: (H, W, 3) RGB or (H, W) grey.
        max_disparity: pixels to search, rounded up to a multiple of 16; default: an eighth of the
            width, at most 256.
        fill: let holes take the disparity of what is behind them, see `fill_holes`.

    Returns:
        (H, W) pixels, NaN = invalid.

    Raises:
        ValueError: the images differ in size or are not images, or a range that is not positive.
        ModuleNotFoundError: OpenCV is missing.
    """
    require("depth", "cv2")
    if left.shape != right.shape or left.ndim not in (2, 3) or not left.size:
        raise ValueError(
            f"A stereo pair is two images of the same size, got {left.shape} and {right.shape}."
        )
    count = _range(left.shape[1], max_disparity)
    left, right = _prepared(left), _prepared(right)
    matcher = _matcher(count)
    forth = _match(matcher, left, right, count)
    mirrored = _match(matcher, np.fliplr(right), np.fliplr(left), count)
    disparity = consistent(forth, np.fliplr(mirrored))
    return fill_holes(disparity) if fill else disparity


def consistent(
    left: NDArray[np.float32], right: NDArray[np.float32], tolerance: float = TOLERANCE
) -> NDArray[np.float32]:
    """Left disparities that the right view confirms; all others become NaN.

    Args:
        left, right: (H, W) disparities of the two views, NaN = invalid.
        tolerance: pixels by which they may differ.

    >>> consistent(np.float32([[9, 1, 1, 2]]), np.float32([[1, 5, 0, 0]])).tolist()
    [[nan, 1.0, nan, nan]]
    """
    partner = np.rint(np.arange(left.shape[1]) - np.nan_to_num(left)).astype(np.intp)
    opposite = np.take_along_axis(right, partner.clip(0), axis=1)
    confirmed = (partner >= 0) & (np.abs(opposite - left) <= tolerance)
    return np.where(confirmed, left, np.float32(np.nan))


def fill_holes(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill holes with the background next to them.

    A hole takes the smaller of the nearest valid disparities to its left and right, because a
    surface that only one camera sees is behind the others; in a row without a valid disparity,
    the smaller of the nearest ones above and below.

    Args:
        disparity: (H, W), NaN = hole.

    Returns:
        (H, W), NaN only if all disparities are.

    >>> fill_holes(np.float32([[np.nan, 5, np.nan, np.nan, 3], [np.nan] * 5])).tolist()
    [[5.0, 5.0, 3.0, 3.0, 3.0], [5.0, 5.0, 3.0, 3.0, 3.0]]
    """
    return _filled_rows(_filled_rows(disparity).T).T


def _filled_rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    width = values.shape[1]
    holes = np.isnan(values)
    columns = np.broadcast_to(np.arange(width), values.shape)
    before = np.maximum.accumulate(np.where(holes, 0, columns), axis=1)
    backwards = np.where(holes, width - 1, columns)[:, ::-1]
    after = np.minimum.accumulate(backwards, axis=1)[:, ::-1]
    nearest = (np.take_along_axis(values, index, axis=1) for index in (before, after))
    return np.fmin(*nearest)


def _range(width: int, max_disparity: int | None) -> int:
    """Number of disparities to try, a multiple of 16."""
    if max_disparity is None:
        max_disparity = min(-(-width // 8), 256)
    _require_positive(max_disparity)
    return -(-min(max_disparity, width) // STEP) * STEP


def _require_positive(max_disparity: int) -> None:
    if max_disparity < 1:
        raise ValueError(f"The largest disparity is {max_disparity} px; choose 1 or more.")


def _matcher(count: int) -> StereoSGBM:
    import cv2

    return cv2.StereoSGBM.create(
        numDisparities=count,
        blockSize=BLOCK,
        P1=STEP_PENALTY,
        P2=JUMP_PENALTY,
        disp12MaxDiff=-1,  # a weaker check than `consistent`
        preFilterCap=GRADIENT_CAP,
        uniquenessRatio=UNIQUENESS,
        speckleWindowSize=SPECKLE,
        speckleRange=SPECKLE_RANGE,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )


def _prepared(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey image, blurred, because noise would look like texture."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR), np.uint8)


def _match(
    matcher: StereoSGBM, left: NDArray[np.uint8], right: NDArray[np.uint8], count: int
) -> NDArray[np.float32]:
    """Disparity of the left image, NaN = invalid.

    OpenCV skips as many columns at the left border as it tries disparities, so columns are added.
    """
    left, right = (np.pad(image, ((0, 0), (count, 0)), mode="edge") for image in (left, right))
    matched = np.asarray(matcher.compute(left, right))[:, count:].astype(np.float32) / STEP
    return np.where(matched < 0, np.float32(np.nan), matched)
