"""Example frames as pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import SegDataset
from lix.data.labels import UNKNOWN, UnknownLabelError
from lix.data.modalities import X
from lix.data.readers import read_rgb
from lix.data.x_files import XSource
from lix.tools.check.alignment import KINDS, jumps
from lix.tools.check.finding import number, percent

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

MAX_WIDTH = 480
"""Maximum width of a picture in the page in pixels."""
JUMP_COLOUR = (255, 60, 0)
UNKNOWN_COLOURS = {
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "white": (255, 255, 255),
    "orange": (255, 120, 0),
}
"""Colours for labels that are not a class; the one that is farthest from the classes' is taken."""
INVALID = (150, 160, 175)
"""Colour of invalid X; the heat map does not have it."""


@dataclass(frozen=True)
class Panel:
    """One part of a frame."""

    title: str
    image: str = ""
    """Data URI; empty where the part cannot be read."""
    caption: str = ""


def panels(dataset: SegDataset, frame: str) -> list[Panel]:
    """RGB, labels over RGB, and each X of a frame; a part that cannot be read says why."""
    rgb: list[Picture] = []

    def image() -> Panel:
        rgb.append(np.asarray(read_rgb(dataset.image_path(frame))).transpose(1, 2, 0))
        return Panel("RGB", address(rgb[0], "JPEG"), f"{rgb[0].shape[0]}x{rgb[0].shape[1]}")

    def labels() -> Panel:
        target = _target(dataset, frame)
        picture = overlay(target, dataset.palette, rgb[0] if rgb else None)
        caption = f"{percent(float((target == IGNORE_INDEX).mean()))} ignored (dark)"
        if (unknown := target == UNKNOWN).any():
            name = unknown_colour(dataset.palette)
            paint(picture, unknown, UNKNOWN_COLOURS[name])
            caption += f", {percent(float(unknown.mean()), 2)} not a class ({name})"
        return Panel("labels", address(picture, "JPEG"), caption)

    made = [_tried("RGB", image), _tried("labels", labels)]
    made += [_tried("X", partial(_x, source, frame)) for source in dataset.x_sources]
    return made + [
        _tried("edges", partial(_edges, source, frame, rgb[0]))
        for source in dataset.x_sources
        if rgb and source.path(frame).is_file() and source.spec.kind in KINDS
    ]


def _edges(source: XSource, frame: str, rgb: Picture) -> Panel:
    values: NDArray[np.float32] = source.read(frame).as_subclass(Tensor)[0].numpy()
    if values.shape != rgb.shape[:2]:
        return Panel("edges", caption=f"{source.spec.kind} and image differ in size")
    kind = source.spec.kind
    return Panel(f"edges of {kind}", address(jumps_over(values, rgb), "PNG"), "where it jumps")


def jumps_over(values: NDArray[np.float32], rgb: Picture) -> Picture:
    """The jumps of depth or disparity (H, W) over the darkened grey image, wide enough to see."""
    grey = np.broadcast_to(0.6 * rgb.mean(axis=2, keepdims=True), rgb.shape)
    picture = grey.astype(np.uint8)
    paint(picture, jumps(values), JUMP_COLOUR)
    return picture


def paint(picture: Picture, mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    """Paint the pixels of a mask (H, W), wide enough to be seen when the picture is smaller."""
    (height, width), step = mask.shape, max(1, round(mask.shape[1] / MAX_WIDTH))
    rows, columns = np.nonzero(mask)
    for down in range(step):
        for right in range(step):
            at = (rows + down).clip(max=height - 1), (columns + right).clip(max=width - 1)
            picture[at] = colour


def unknown_colour(palette: Sequence[tuple[int, int, int]]) -> str:
    """Name of the colour in `UNKNOWN_COLOURS` that looks least like a class or what is ignored.

    >>> unknown_colour([(255, 0, 255)])
    'yellow'
    """
    taken = np.array([*palette, (0, 0, 0)])

    def distance(name: str) -> int:
        return int(((taken - UNKNOWN_COLOURS[name]) ** 2).sum(axis=1).min())

    return max(UNKNOWN_COLOURS, key=distance)


def _target(dataset: SegDataset, frame: str) -> NDArray[np.uint8]:
    """Train ids of a frame, `UNKNOWN` where a label is not a class."""
    try:
        return dataset.read_target(frame)
    except UnknownLabelError as error:
        if error.target is None:
            raise
        return error.target


def _x(source: XSource, frame: str) -> Panel:
    kind = source.spec.kind
    picture, caption = heat(kind, source.read(frame))
    return Panel(kind.replace("_", " "), address(picture, "PNG"), caption)


def _tried(title: str, make: Callable[[], Panel]) -> Panel:
    try:
        return make()
    except (ValueError, OSError) as error:
        return Panel(title, caption=str(error))


def overlay(
    target: NDArray[np.uint8],
    palette: tuple[tuple[int, int, int], ...],
    rgb: Picture | None,
) -> Picture:
    """Labels in their colours over the image, ignored pixels dark; without it if sizes differ."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    coloured = table[target]
    if rgb is None or rgb.shape[:2] != target.shape:
        return coloured
    blended: Picture = (0.4 * rgb + 0.6 * coloured).astype(np.uint8)
    return blended


def heat(kind: str, x: X) -> tuple[Picture, str]:
    """X as a picture, bright = large, and its range.

    Between the 1st and the 99th percentile, depth and disparity by their logarithm. Normals, and
    three channels, are the picture's colours.
    """
    values: NDArray[np.float32] = x.as_subclass(Tensor).float().numpy()
    finite = np.isfinite(values).all(axis=0)
    picture = np.full((*finite.shape, 3), INVALID, np.uint8)
    if not finite.any():
        return picture, "no valid pixel"
    shown = values if len(values) == 3 else values[:1]
    low, high = np.percentile(shown[:, finite], (1, 99))
    if kind == "normal":
        colours = (shown[:, finite] + 1) / 2
    else:
        is_scale = kind in ("depth", "disparity") and low > 0
        scaled = np.log(shown[:, finite]) if is_scale else shown[:, finite]
        ends = np.log([low, high]) if is_scale else np.array([low, high])
        colours = (scaled - ends[0]) / max(float(ends[1] - ends[0]), 1e-12)
        if len(shown) == 1:
            colours = mpl.colormaps["magma"](colours[0].clip(0, 1))[:, :3].T
    picture[finite] = (255 * colours.clip(0, 1)).T.astype(np.uint8)
    unit = {"depth": " m", "disparity": " px"}.get(kind, "")
    return picture, f"{number(low)} to {number(high)}{unit}, {percent(finite.mean())} valid"


def address(picture: Picture, form: str) -> str:
    """A picture, made smaller if it is large, as a data URI."""
    small = Image.fromarray(picture)
    if small.width > MAX_WIDTH:
        size = MAX_WIDTH, max(1, round(small.height * MAX_WIDTH / small.width))
        small = small.resize(
            size, Image.Resampling.BOX if form == "JPEG" else Image.Resampling.NEAREST
        )
    stream = io.BytesIO()
    small.save(stream, form, quality=85)
    return f"data:image/{form.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
