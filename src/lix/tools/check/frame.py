"""Facts about one frame, whose arrays are then let go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.data.dataset import SegDataset
from lix.data.labels import Form
from lix.data.modalities import X
from lix.data.readers import (
    ARRAY_SUFFIXES,
    image_orientation,
    open_image,
    read_coded,
    read_rgb,
)
from lix.data.x_files import XSource

Size = tuple[int, int]
"""(H, W)."""
Colour = tuple[int, int, int]
"""(R, G, B)."""

SAMPLE = 16384
"""Approximate number of evenly spaced pixels of a frame that percentiles of X are made of."""
GRADED = ("depth", "disparity", "inverse_depth")
"""Kinds that depend on the distance."""
MIN_PIXELS = 10
"""Minimum number of valid pixels that a part of an image needs for a median."""


@dataclass(frozen=True)
class Fault:
    """Why a part of a frame cannot be used."""

    part: str
    """`image`, `label`, `camera` or a kind of X."""
    path: Path
    message: str
    kind: str
    """Kind of the error; the message without path and numbers where the error has no kind."""
    counts: Mapping[object, int] = field(default_factory=dict)
    """Number of pixels by wrong value."""


@dataclass(frozen=True)
class XFacts:
    """Facts about one X of a frame."""

    pixels: int
    valid: int
    low: float
    """Lowest valid value; infinite where there is none."""
    high: float
    sample: NDArray[np.float32]
    """Some valid values; of normals their lengths."""
    bottom_ratio: float
    """Median of the lowest quarter of the rows over that of the middle one; NaN: not known."""


@dataclass
class FrameFacts:
    """Facts about one frame; None for what could not be read."""

    frame: str
    size: Size | None = None
    digest: bytes | None = None
    """Hash of the decoded pixels and their shape."""
    is_turned: bool = False
    """The image is turned, as its EXIF orientation says."""
    labels: NDArray[np.int64] | None = None
    """(256,) pixels by train id."""
    form: Form | None = None
    """How the labels are read, where the data set may hold several forms."""
    palette: dict[int, Colour] | None = None
    """Colours of the label file's indices, where it has a palette that is not used."""
    x: list[XFacts | None] = field(default_factory=list)
    camera: tuple[float, float] | None = None
    """Principal point cx, cy."""
    faults: list[Fault] = field(default_factory=list)

    @contextmanager
    def noting(self, part: str, path: Path) -> Iterator[None]:
        """Keep an error about a part as a fault."""
        try:
            yield
        except (ValueError, OSError) as error:
            file = getattr(error, "path", None) or path
            kind = getattr(error, "kind", "") or re.sub(
                r"\d+", "", str(error).replace(str(file), "")
            )
            counts = getattr(error, "counts", {})
            self.faults.append(Fault(part, file, str(error), kind, counts))

    def compare(self, part: str, size: Size, path: Path) -> None:
        """Note a part that has another size than the image."""
        if self.size is None or size == self.size:
            return
        is_turned = size == self.size[::-1]
        fix = "turn one of them by 90°" if is_turned else "make them the same size"
        if self.is_turned:
            fix = "the image is turned as its EXIF orientation says, so make them fit that"
        sizes = "{}x{} but the image is {}x{}".format(*size, *self.size)
        message = f"{path}: the {part} is {sizes} (height x width); {fix}."
        self.faults.append(Fault(part, path, message, "turned" if is_turned else "size"))


def read_frame(dataset: SegDataset, sources: Sequence[XSource], frame: str) -> FrameFacts:
    """Read all parts of a frame, whatever is wrong with some of them.

    Args:
        dataset: the data set of the frame.
        sources: the sources of its X.
        frame: its id.
    """
    facts = FrameFacts(frame)
    path = dataset.image_path(frame)
    with facts.noting("image", path):
        image = np.ascontiguousarray(np.asarray(read_rgb(path)).transpose(1, 2, 0))
        facts.size = image.shape[0], image.shape[1]
        digest = hashlib.blake2b(b"%d %d" % facts.size, digest_size=16)
        digest.update(image.data)
        facts.digest = digest.digest()
        facts.is_turned = image_orientation(path) != 1
    label = dataset.label_path(frame)
    with facts.noting("label", label):
        target = dataset.read_target(frame)
        facts.labels = np.bincount(target.ravel(), minlength=256)
        facts.form = dataset.label_form(frame)
        facts.palette = None if facts.form else _palette(label)
        facts.compare("label", (target.shape[0], target.shape[1]), label)
    for source in sources:
        facts.x.append(_read_x(facts, source, frame))
    with facts.noting("camera", path):
        matrix = dataset.intrinsics(frame)
        facts.camera = None if matrix is None else (float(matrix[0, 2]), float(matrix[1, 2]))
    return facts


def _read_x(facts: FrameFacts, source: XSource, frame: str) -> XFacts | None:
    """None where there is no file: missing files of a whole split are one finding."""
    kind, path = source.spec.kind, source.path(frame)
    if not path.is_file():
        return None
    with facts.noting(kind, path):
        x = source.read(frame)
        facts.compare(kind, (x.shape[-2], x.shape[-1]), path)
        return x_facts(kind, x)
    return None


def x_facts(kind: str, x: X) -> XFacts:
    """Facts about an X."""
    values: NDArray[np.float32] = x.as_subclass(Tensor).float().numpy()
    finite = np.asarray(np.isfinite(values).all(axis=0))
    present = values[:, finite]
    stride = max(1, int(np.sqrt(finite.size / SAMPLE)))
    thin, thin_finite = values[:, ::stride, ::stride], finite[::stride, ::stride]
    sample = thin[:, thin_finite]
    return XFacts(
        pixels=finite.size,
        valid=present.shape[1],
        low=float(present.min(initial=np.inf)),
        high=float(present.max(initial=-np.inf)),
        sample=np.linalg.norm(sample, axis=0) if kind == "normal" else sample.ravel(),
        bottom_ratio=_bottom_ratio(thin[0], thin_finite) if kind in GRADED else np.nan,
    )


def _bottom_ratio(values: NDArray[np.float32], finite: NDArray[np.bool_]) -> float:
    rows = len(values)
    bands = slice(rows * 3 // 4, rows), slice(rows * 3 // 8, rows * 5 // 8)
    lowest, middle = (values[band][finite[band]] for band in bands)
    if min(lowest.size, middle.size) < MIN_PIXELS:
        return np.nan
    return float(np.median(lowest) / max(float(np.median(middle)), 1e-6))


def _palette(path: Path) -> dict[int, Colour] | None:
    """Colours of the indices in a label file, if it has a palette that is not grey."""
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return None
    with open_image(path) as file:
        if file.mode != "P":
            return None
    coded = read_coded(path)
    if coded is None or coded.is_grey():
        return None
    return {int(code): tuple(coded.colours[code].tolist()) for code in coded.used}
