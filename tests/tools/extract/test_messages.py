"""Images, depth and points in all encodings that are read."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lix.tools.extract.messages import colours, depth_unit, is_jpeg, metres, points

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
DEPTH = np.array([[0, 1500, 2000], [65535, 40, 0]], np.uint16)


def raw(values: np.ndarray, encoding: str, padding: int = 3, big: int = 0) -> Any:
    height, width = values.shape[:2]
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)))
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=padded.shape[1], is_bigendian=big,
        data=padded.ravel(),
    )  # fmt: skip


def compressed(values: np.ndarray, form: str, label: str, before: bytes = b"") -> Any:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, form)
    data = np.frombuffer(before + buffer.getvalue(), np.uint8)
    return SimpleNamespace(format=label, data=data)


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (RGB, "rgb8"),
        (RGB[..., ::-1], "bgr8"),
        (np.dstack([RGB, RGB[..., 0]]), "rgba8"),
        (np.dstack([RGB[..., ::-1], RGB[..., 0]]), "bgra8"),
    ],
)
def test_colours(values: np.ndarray, encoding: str) -> None:
    assert np.array_equal(colours(raw(values, encoding)), RGB)
    assert depth_unit(raw(values, encoding)) is None


def test_grey_compressed_and_bayer() -> None:
    grey = colours(raw(RGB[..., 0], "mono8"))
    assert np.array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))
    assert np.array_equal(colours(compressed(RGB, "PNG", "rgb8; png compressed bgr8")), RGB)
    jpeg = compressed(RGB, "JPEG", "jpeg")
    assert is_jpeg(jpeg)
    assert not is_jpeg(raw(RGB, "rgb8"))
    flat = np.zeros((8, 8), np.uint8)
    flat[::2, ::2] = 200  # R of RGGB
    assert (colours(raw(flat, "bayer_rggb8"))[4, 4] == (200, 0, 0)).all()
    with pytest.raises(ValueError, match="encoding yuv422"):
        colours(raw(RGB, "yuv422"))


def test_depth() -> None:
    expected = [[np.nan, 1.5, 2], [65.535, 0.04, np.nan]]
    header = b"\0" * 12
    for message in (
        raw(DEPTH, "16UC1", padding=2),
        raw(DEPTH.astype(">u2"), "mono16", padding=0, big=1),
        raw(np.float32(np.nan_to_num(expected)), "32FC1", padding=0),
        compressed(DEPTH, "PNG", "16UC1; compressedDepth png", header),
    ):
        assert np.allclose(metres(message), expected, equal_nan=True)
    with pytest.raises(ValueError, match="not an image of depth"):
        metres(raw(RGB, "rgb8"))


def cloud(table: np.ndarray, big: bool = False) -> Any:
    kinds = {"f4": 7, "f8": 8, "u2": 4}
    fields = [
        SimpleNamespace(
            name=n, offset=table.dtype.fields[n][1], datatype=kinds[table.dtype[n].str[1:]]
        )
        for n in table.dtype.names
    ]
    data = np.frombuffer(table.tobytes(), np.uint8)
    size = table.dtype.itemsize
    return SimpleNamespace(
        fields=fields, is_bigendian=big, point_step=size, row_step=size * table.shape[1],
        height=table.shape[0], width=table.shape[1], data=data,
    )  # fmt: skip


def test_points() -> None:
    table = np.zeros((2, 3), [("ring", "<u2"), ("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
    table["x"], table["z"] = [[1, 2, 3], [4, np.nan, 6]], 7
    assert points(cloud(table)).tolist() == [[x, 0, 7] for x in (1, 2, 3, 4, 6)]
    big = np.zeros((1, 1), [("x", ">f8"), ("y", ">f8"), ("z", ">f8")])
    big["y"] = -2.5
    assert points(cloud(big, big=True)).tolist() == [[0, -2.5, 0]]
    with pytest.raises(ValueError, match="points have x, y, not x, y and z"):
        points(cloud(np.zeros((1, 1), [("x", "<f4"), ("y", "<f4")])))
