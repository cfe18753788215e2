"""Files that cannot be read, odd sizes and cameras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.check.cases import Fault, first, set_to
from tests.tools.conftest import Make, Parts


def truncate(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:300])


def turn(root: Path) -> None:
    for path in (root / "train" / "image").iterdir():
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.open(path).save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()


JPEG = {"image": "train/image/*.jpg", "label": "train/label/*.png", "x": "train/x/*.png"}


def other_labels(split: str, index: int, parts: Parts) -> None:
    parts["label"][0, 4 - index :] = 40 + index if split == "train" else 1


FAULTS = [
    Fault(
        "label-values",
        "error",
        r"has the label 40, which is not a class.* The same goes for 4 more: .*, … In all: 44 "
        r"\(96 pixels in 1 file\), 43 \(95 pixels in 1 file\), 42 .*, 41 .*, 40 \(92 pixels.*\)\.$",
        other_labels,
    ),
    Fault(
        "label-value",
        "error",
        r"^train/label/traina_0.png has the label 7, which is not a class; .*under `ignore`.* The "
        r"same goes for 2 more: train/label/traina_2.png, train/label/trainb_1.png\. "
        r"In all: 7 \(1,152 pixels in 3 files\)\.$",
        first("label", set_to(7, np.s_[:4]), 3),
    ),
    Fault(
        "label-colours",
        "error",
        r"does not hold class indices but uint8 of shape \(64, 96, 3\)",
        first("label", lambda a: np.stack([a] * 3, -1)),
    ),
    Fault(
        "image-truncated",
        "error",
        r"^val/image/vala_0.png cannot be read \(.*\); replace the file\.$",
        after=truncate("val/image/vala_0.png"),
    ),
    Fault(
        "x-truncated",
        "error",
        r"^val/x/vala_0.png cannot be read",
        after=truncate("val/x/vala_0.png"),
    ),
    Fault(
        "x-missing",
        "error",
        r"^val: 1 of 3 images have no partner in val/x/\*\.png, first vala_0",
        after=lambda root: (root / "val/x/vala_0.png").unlink(),
    ),
    Fault(
        "label-missing",
        "error",
        r"^train cannot be opened: 1 of 5 images have no partner in train/label/\*\.png",
        after=lambda root: (root / "train/label/traina_0.png").unlink(),
    ),
    Fault(
        "label-size",
        "error",
        r"the label is 32x48 but the image is 64x96 \(height x width\); make them the same",
        first("label", lambda a: a[::2, ::2]),
    ),
    Fault(
        "label-turned",
        "error",
        r"the label is 96x64 but the image is 64x96 .*; turn one of them by 90°",
        first("label", lambda a: a.T.copy()),
    ),
    Fault(
        "x-size",
        "error",
        r"^train/x/traina_0.png: the depth is 64x95 but",
        first("x", lambda a: a[:, 1:].copy()),
    ),
    Fault(
        "sizes",
        "note",
        r"have 2 sizes, most often 64x96 \(5 of 8\); all are resized to data.size",
        lambda split, index, parts: (
            parts.update({k: np.repeat(v, 2, 0) for k, v in parts.items()})
            if split == "val"
            else None
        ),
        {"intrinsics": [80.0, 80.0, 47.5, 48.0]},
        also=("upright",),
    ),
    Fault(
        "upright",
        "warning",
        r"Of 8 images 3 stand upright and the others do not",
        lambda split, index, parts: (
            parts.update({k: np.repeat(v, 2, 0) for k, v in parts.items()})
            if split == "val"
            else None
        ),
        {"intrinsics": [80.0, 80.0, 47.5, 48.0]},
    ),
    Fault(
        "orientation",
        "note",
        r"^train: 5 images .* are turned as their EXIF orientation says, as viewers do; labels",
        entries={"train": JPEG},
        after=turn,
        also=("label", "depth", "upright"),
    ),
    Fault(
        "orientation-label",
        "error",
        r"the label is 64x96 but the image is 96x64 .*the image is turned as its EXIF",
        entries={"train": JPEG},
        after=turn,
        also=("depth", "upright"),
    ),
    Fault(
        "small",
        "warning",
        r"^train \(val too\): Height or width is less than 64 pixels in 5 of 5 images .*; use",
        lambda split, index, parts: parts.update({k: v[:48].copy() for k, v in parts.items()}),
    ),
    Fault(
        "intrinsics",
        "note",
        r"^train \(val too\): Camera intrinsics are missing for all frames.*`data.x: log`",
        entries={"intrinsics": None},
    ),
    Fault(
        "principal-point",
        "warning",
        r"^train \(val too\): The principal point is far .* in 5 frames .*scale them",
        entries={"intrinsics": [720.0, 720.0, 620.5, 187.0]},
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault, make: Make) -> None:
    fault.assert_found(make)
