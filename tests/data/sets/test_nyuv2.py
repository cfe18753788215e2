"""NYUv2: both trees, 40 and 13 classes, and the ways in which its depth is stored."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lix.data import build_dataset
from lix.data.modalities import Channels, Depth
from lix.data.sets.nyuv2 import NYUv2
from tests.data.frames import plain
from tests.data.sets.contract import Case, save
from tests.data.sets.modality_folders import SIZE, depth, pixels, write
from tests.data.sets.test_mfnet_rgbt import write as write_mfnet

LABELS = partial(pixels, top=41)


def flat(root: Path) -> Path:
    """As SA-Gate, CMX and DFormer read it."""
    arrays = {"Label/{}.png": LABELS, "Depth/{}.png": depth}
    write(root, ["2", "3", "4", "0"], "RGB/{}.jpg", arrays)
    (root / "train.txt").write_text("RGB/2.jpg\tLabel/2.png\nRGB/3.jpg\tLabel/3.png\n4\n")
    (root / "test.txt").write_text("RGB/0.jpg\tLabel/0.png\n")
    return root


def parted(root: Path, labels: str = "labels_40") -> Path:
    """As ESANet's tools write it."""
    for part, names in {"train": ["0003", "0004"], "test": ["0001"]}.items():
        arrays = {f"{labels}/{{}}.png": LABELS, "depth/{}.png": depth}
        write(root / part, names, "rgb/{}.png", arrays)
        (root / f"{part}.txt").write_text("\n".join(names))
    return root


CASE = Case(flat, train=3, val=1, images=4)


def test_the_tree_of_cmx(tmp_path: Path) -> None:
    data = NYUv2(flat(tmp_path))
    assert data.ids == ["2", "3", "4"]
    assert NYUv2(tmp_path, split="val").ids == ["0"]
    assert (len(data.classes), data.classes[0], data.classes[39]) == (40, "wall", "otherprop")
    sample = data.read("3", with_x=True)
    expected = np.where(LABELS(1) == 0, 255, LABELS(1).astype(int) - 1)
    assert np.array_equal(sample.target.numpy(), expected)
    assert isinstance(sample.x[0], Depth)
    assert np.allclose(plain(sample.x[0])[0].numpy(), depth(1) / 1000)
    assert sample.spans == ((0.5, 10.0),)


@pytest.mark.parametrize("labels", ["labels_40", "semantic_40"])
def test_the_tree_of_esanet(tmp_path: Path, labels: str) -> None:
    data = NYUv2(parted(tmp_path, labels))
    assert data.ids == ["train/0003", "train/0004"]
    val = NYUv2(tmp_path, split="val")
    assert val.ids == ["test/0001"]
    assert np.allclose(plain(val.read("test/0001", with_x=True).x[0])[0], depth(0) / 1000)
    assert NYUv2.recognises(tmp_path)


def test_thirteen_classes(tmp_path: Path) -> None:
    data = build_dataset("nyuv2", flat(tmp_path), classes=13)
    save(tmp_path / "Label/2.png", np.array([[0, 1, 4, 8, 25, 40]], np.uint8))
    names = [data.classes[i] for i in data.read_target("2")[0, 1:]]
    assert names == ["wall", "bed", "wall", "tv", "objects"]
    assert (len(data.classes), data.read_target("2")[0, 0]) == (13, 255)


def test_depth_in_metres(tmp_path: Path) -> None:
    flat(tmp_path)
    for path in list((tmp_path / "Depth").iterdir()):
        save(path.with_suffix(".npy"), np.full(SIZE, 2.5, np.float32))
        path.unlink()
    x = NYUv2(tmp_path).read("2", with_x=True).x[0]
    assert isinstance(x, Depth)
    assert (plain(x) == 2.5).all()


def test_depth_as_grey_pictures_has_no_unit(tmp_path: Path) -> None:
    flat(tmp_path)
    for path in list((tmp_path / "Depth").iterdir()):  # as matplotlib's imsave writes them
        grey = np.full((*SIZE, 4), 51, np.uint8)
        grey[..., 3] = 255
        save(path, grey)
    data = NYUv2(tmp_path)
    x = data.read("2", with_x=True).x[0]
    assert isinstance(x, Channels)
    assert x.shape == (1, *SIZE)
    assert np.allclose(plain(x), 0.2)
    assert data.x_kind == "channels"


def test_hha(tmp_path: Path) -> None:
    flat(tmp_path)
    for name in "0234":
        save(tmp_path / "HHA" / f"{name}.jpg", np.full((*SIZE, 3), 102, np.uint8))
    x = NYUv2(tmp_path, modality="hha").read("2", with_x=True).x[0]
    assert (x.shape, isinstance(x, Channels)) == ((3, *SIZE), True)
    assert np.allclose(plain(x), 0.4)


def test_the_camera_is_that_of_whole_images(tmp_path: Path) -> None:
    data = NYUv2(flat(tmp_path))
    assert data.intrinsics("2") is None
    save(data.image_path("2"), np.zeros((480, 640, 3), np.uint8))
    camera = data.intrinsics("2")
    assert camera is not None
    assert camera[0, 0].item() == pytest.approx(518.8579)


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "nyu_depth_v2_labeled.mat").touch()
    with pytest.raises(FileNotFoundError, match=r"nyu_depth_v2_labeled\.mat with `lix data unpack"):
        NYUv2(tmp_path)
    flat(tmp_path)
    (tmp_path / "test.txt").unlink()
    with pytest.raises(ValueError, match=r"test\.txt is missing; "):
        NYUv2(tmp_path, split="val")


def test_neither_mfnets_folders_nor_ones_own_are_taken_for_it(tmp_path: Path) -> None:
    assert not NYUv2.recognises(write_mfnet(tmp_path / "mfnet", "apart"))
    own = flat(tmp_path / "own")
    (own / "train.txt").unlink()
    assert not NYUv2.recognises(own)
