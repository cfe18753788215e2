"""Fields of ROS messages as arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.data.decode import require_whole_pixels

DEPTH_UNITS = {"16UC1": 1e-3, "mono16": 1e-3, "32FC1": 1.0}
"""Encoding of depth images (REP 118) → metres."""
CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "8UC3": 3, "mono8": 1, "8UC1": 1}
BAYER = {"rggb8": "BG", "bggr8": "RG", "gbrg8": "GR", "grbg8": "GB"}
"""Order of a Bayer pattern → OpenCV's name of it."""
DEPTH_HEADER = 12
"""Bytes before the PNG of `compressedDepth`."""
POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


def depth_unit(message: Any) -> float | None:
    """Metres of one unit of a depth image; None for an image of colours."""
    if hasattr(message, "encoding"):
        return DEPTH_UNITS.get(message.encoding)
    if "compressedDepth" in getattr(message, "format", ""):
        return DEPTH_UNITS.get(message.format.split(";")[0].strip())
    return None


def is_jpeg(message: Any) -> bool:
    """Whether an image is stored with losses."""
    return bytes(getattr(message, "data", b"")[:2]) == b"\xff\xd8" and hasattr(message, "format")


def colours(message: Any) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of an image of colours.

    Raises:
        ValueError: an encoding that is not known.
    """
    if hasattr(message, "format"):
        with Image.open(io.BytesIO(message.data.tobytes())) as file:
            require_whole_pixels(file)
            return np.asarray(file.convert("RGB"))
    encoding = message.encoding
    if encoding.startswith("bayer_") and encoding[6:] in BAYER:
        import cv2

        code = getattr(cv2, f"COLOR_Bayer{BAYER[encoding[6:]]}2RGB")
        return np.asarray(cv2.cvtColor(_rows(message, np.dtype("u1"), 1)[..., 0], code), np.uint8)
    if encoding not in CHANNELS:
        raise ValueError(f"images of encoding {encoding} are not read; record rgb8 or bgr8")
    image = _rows(message, np.dtype("u1"), CHANNELS[encoding])[..., :3]
    if encoding.startswith(("bgr", "8UC3")):
        image = image[..., ::-1]
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def metres(message: Any) -> NDArray[np.float32]:
    """(H, W) of a depth image, NaN = invalid.

    Raises:
        ValueError: it is not one.
    """
    unit = depth_unit(message)
    if unit is None:
        raise ValueError("it is not an image of depth")
    if hasattr(message, "format"):
        with Image.open(io.BytesIO(message.data.tobytes()[DEPTH_HEADER:])) as file:
            require_whole_pixels(file)
            values = np.asarray(file)
        if unit == 1.0:
            raise ValueError("compressed depth of 32FC1 is not read; record 16UC1")
    else:
        order = ">" if message.is_bigendian else "<"
        kind = np.dtype(f"{order}{'f4' if unit == 1.0 else 'u2'}")
        values = _rows(message, kind, 1)[..., 0]
    depth = values.astype(np.float32) * np.float32(unit)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))


def points(message: Any) -> NDArray[np.float32]:
    """(N, 3) metres of a point cloud; those that are not finite are left out.

    Raises:
        ValueError: it has no x, y and z.
    """
    fields = {field.name: field for field in message.fields}
    if not {"x", "y", "z"} <= set(fields):
        raise ValueError(f"points have {', '.join(fields) or 'nothing'}, not x, y and z")
    order = ">" if message.is_bigendian else "<"
    dtype = np.dtype(
        {
            "names": list("xyz"),
            "formats": [order + POINT_TYPES[fields[axis].datatype] for axis in "xyz"],
            "offsets": [fields[axis].offset for axis in "xyz"],
            "itemsize": message.point_step,
        }
    )
    rows = message.data.reshape(message.height, message.row_step)
    table = np.ascontiguousarray(rows[:, : message.width * message.point_step]).view(dtype).ravel()
    cloud = np.stack([table[axis] for axis in "xyz"], axis=1).astype(np.float32)
    return cloud[np.isfinite(cloud).all(axis=1)]


def _rows(message: Any, dtype: np.dtype[Any], channels: int) -> NDArray[Any]:
    """(H, W, channels) of an image whose rows may be padded."""
    rows = message.data.reshape(message.height, message.step)
    used = message.width * channels * dtype.itemsize
    flat = np.ascontiguousarray(rows[:, :used]).view(dtype)
    return flat.reshape(message.height, message.width, channels)
