"""PST900: thermal with holes, or depth."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from lix.data.modalities import Channels, Depth
from lix.data.sets.pst900 import PST900
from tests.data.frames import plain
from tests.data.sets.contract import Case
from tests.data.sets.modality_folders import depth, pixels, write

LABELS, THERMAL = partial(pixels, top=5), partial(pixels, top=200)
NAMES = [f"31_bag1a_rect_rgb_frame000000000{number}" for number in range(4)]


def make(root: Path) -> Path:
    arrays = {"labels/{}.png": LABELS, "thermal/{}.png": THERMAL, "depth/{}.png": depth}
    write(root / "train", NAMES[:3], "rgb/{}.png", arrays)
    write(root / "test", NAMES[3:], "rgb/{}.png", arrays, first=3)
    return root


CASE = Case(make, train=3, val=1, images=4)


def test_thermal_has_holes(tmp_path: Path) -> None:
    data = PST900(make(tmp_path))
    sample = data.read(data.ids[0], with_x=True)
    assert data.classes[1:] == ("fire extinguisher", "backpack", "hand drill", "survivor")
    assert np.array_equal(sample.target, LABELS(0))
    assert isinstance(sample.x[0], Channels)
    expected = np.where(THERMAL(0) == 0, np.nan, THERMAL(0) / 255)
    assert np.allclose(plain(sample.x[0])[0], expected, equal_nan=True)


def test_depth(tmp_path: Path) -> None:
    data = PST900(make(tmp_path), split="val", modality="depth")
    x = data.read(data.ids[0], with_x=True).x[0]
    assert isinstance(x, Depth)
    assert np.allclose(plain(x)[0], depth(3) / 2560)
