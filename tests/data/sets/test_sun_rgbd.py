"""SUN RGB-D: both trees, and depth that is rotated by three bits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lix.data.modalities import Channels
from lix.data.sets.sun_rgbd import SUNRGBD
from tests.data.frames import plain
from tests.data.sets.contract import Case, save
from tests.data.sets.modality_folders import SIZE, depth, pixels, write

LABELS = partial(pixels, top=38)
NAME = "kv1/NYUdata/NYU0001"


def flat(root: Path) -> Path:
    """As DFormer distributes it."""
    arrays = {"labels/{}.png": LABELS, "Depth/{}.png": lambda number: depth(number) << 3}
    write(root, ["5", "6", "7", "1"], "RGB/{}.jpg", arrays)
    (root / "train.txt").write_text("RGB/5.jpg\nRGB/6.jpg\nRGB/7.jpg\n")
    (root / "test.txt").write_text("RGB/1.jpg\n")
    return root


CASE = Case(flat, train=3, val=1, images=4)


def test_the_tree_of_esanets_authors(tmp_path: Path) -> None:
    arrays = {"semantic/{}.png": LABELS, "depth/{}.png": lambda number: depth(number) << 3}
    write(tmp_path / "train", [NAME], "rgb/{}.jpg", arrays)
    write(tmp_path / "test", ["xtion/sun3ddata/a/b"], "rgb/{}.jpg", arrays)
    data = SUNRGBD(tmp_path)
    assert data.ids == [f"train/{NAME}"]
    assert (len(data.classes), data.classes[-1]) == (37, "bag")
    assert SUNRGBD(tmp_path, split="val").ids == ["test/xtion/sun3ddata/a/b"]
    assert SUNRGBD.recognises(tmp_path)
    sample = data.read(data.ids[0], with_x=True)
    assert np.array_equal(sample.target, np.where(LABELS(0) == 0, 255, LABELS(0).astype(int) - 1))


def test_depth_is_rotated_back(tmp_path: Path) -> None:
    data = SUNRGBD(flat(tmp_path))
    assert np.allclose(plain(data.read("5", with_x=True).x[0])[0], depth(0) / 1000)
    metres = np.array([[0, 7.999, 8.5, 12.0]])
    millimetres = (1000 * metres).astype(np.uint16)
    save(data.image_path("5"), np.zeros((1, 4, 3), np.uint8))
    save(tmp_path / "labels/5.png", np.zeros((1, 4), np.uint8))
    save(tmp_path / "Depth/5.png", millimetres << 3 | millimetres >> 13)
    values = plain(data.read("5", with_x=True).x[0])[0, 0].tolist()
    assert np.isnan(values[0])
    assert values[1:] == pytest.approx([7.999, 8, 8])  # the toolbox cuts at 8 m


def test_grey_depth_is_not_rotated(tmp_path: Path) -> None:
    flat(tmp_path)
    for path in list((tmp_path / "Depth").iterdir()):
        save(path, np.full(SIZE, 51, np.uint8))
    x = SUNRGBD(tmp_path).read("5", with_x=True).x[0]
    assert isinstance(x, Channels)
    assert np.allclose(plain(x), 0.2)
