"""Cityscapes: both forms of labels, disparity, cameras and cities."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data.modalities import Disparity
from lix.data.sets.cityscapes import CLASSES, LABEL_IDS, Cityscapes
from tests.data.frames import intrinsics, plain, read, target
from tests.data.sets.contract import Case, save, write_list

SIZE = (8, 16)
FRAMES = {
    "train": ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019",
              "zurich/zurich_000121_000019"],
    "val": ["munster/munster_000173_000019"],
    "test": ["bonn/bonn_000045_000019"],
}  # fmt: skip
TRAIN = FRAMES["train"]
TRAINED = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11,
           25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
CAMERA = {
    "extrinsic": {"baseline": 0.209313, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1,
                  "yaw": -0.0195, "z": 1.22},
    "intrinsic": {"fx": 2262.52, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137},
}  # fmt: skip
LABELS = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 34).astype(np.uint8)
TARGET = np.vectorize(lambda label: TRAINED.get(label, 255))(LABELS).astype(np.uint8)
DISPARITY = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) * 255).astype(np.uint16)
DISPARITY[0, :3] = 0, 1, 2


def write(root: Path, size: tuple[int, int] = SIZE) -> Path:
    """Write `FRAMES` as the archives of cityscapes-dataset.com unpack, without train ids."""
    for split, names in FRAMES.items():
        for number, name in enumerate(names):
            stem = f"{split}/{name}_"
            for side in ("leftImg8bit", "rightImg8bit"):
                image = np.full((*size, 3), (90 + number, 100, 110), np.uint8)
                save(root / side / f"{stem}{side}.png", image)
            save(root / "gtFine" / f"{stem}gtFine_labelIds.png", LABELS)
            save(root / "disparity" / f"{stem}disparity.png", DISPARITY)
            camera = root / "camera" / f"{stem}camera.json"
            camera.parent.mkdir(parents=True, exist_ok=True)
            camera.write_text(json.dumps(CAMERA))
    return root


def write_train_ids(root: Path, names: list[str], values: NDArray[Any] = TARGET) -> None:
    """What csCreateTrainIdLabelImgs of cityscapesscripts adds."""
    for name in names:
        save(root / "gtFine" / "train" / f"{name}_gtFine_labelTrainIds.png", values)


CASE = Case(write, train=3, val=1, images=5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "cityscapes")


def test_classes() -> None:
    assert len(CLASSES) == 19
    assert list(CLASSES)[13] == "car"
    assert {label: TRAINED.get(label, 255) for label in range(34)} == LABEL_IDS


def test_official_splits(root: Path) -> None:
    assert Cityscapes(root).ids == TRAIN
    assert Cityscapes(root, split="val").ids == FRAMES["val"]
    sample = read(Cityscapes(root), 1, with_x=False)
    assert sample.id == TRAIN[1]
    assert sample.image[:, 0, 0].tolist() == [91, 100, 110]
    assert sample.target.dtype == torch.int64
    assert np.array_equal(sample.target.numpy(), TARGET)


def test_train_ids_are_read_where_every_frame_has_them(root: Path) -> None:
    swapped = np.where(TARGET == 0, 18, TARGET)
    write_train_ids(root, TRAIN[:2], swapped)
    assert np.array_equal(target(Cityscapes(root), 0), TARGET)
    write_train_ids(root, TRAIN, swapped)
    shutil.rmtree(root / "gtFine" / "val")
    for path in (root / "gtFine").rglob("*_labelIds.png"):
        path.unlink()
    assert np.array_equal(target(Cityscapes(root), 0), swapped)


@pytest.mark.parametrize("trained", [False, True], ids=["label ids", "train ids"])
def test_labels_from_the_other_table(root: Path, trained: bool) -> None:
    if trained:
        write_train_ids(root, TRAIN, LABELS)
        cause = r"the label 19, .*raw Cityscapes label ids, not train ids: run csCreateTrainId"
    else:
        save(root / "gtFine/train" / f"{TRAIN[0]}_gtFine_labelIds.png", TARGET)
        cause = r"the label 255, .*into _gtFine_labelTrainIds\.png"
    with pytest.raises(ValueError, match=rf"{TRAIN[0]}_gtFine_.*{cause}[^\n]*\.$"):
        target(Cityscapes(root), 0)


def test_disparity_is_in_pixels_and_what_was_not_measured_invalid(root: Path) -> None:
    x = read(Cityscapes(root), 0, with_x=True).x[0]
    assert isinstance(x, Disparity)
    assert x.dtype == torch.float32
    assert plain(x)[0, 0, :2].isnan().all()
    assert plain(x)[0, 0, 2] == 1 / 256
    assert torch.equal(plain(x)[0, 1:], torch.from_numpy((DISPARITY[1:] - 1.0) / 256).float())


@pytest.mark.parametrize("shrink", [1, 2], ids=["full size", "half size"])
def test_intrinsics(tmp_path: Path, shrink: int) -> None:
    root = write(tmp_path, (1024 // shrink, 2048 // shrink))
    matrix = intrinsics(Cityscapes(root), 0)
    assert matrix is not None
    expected = [
        [2262.52 / shrink, 0, (1096.98 + 0.5) / shrink - 0.5],
        [0, 2265.3017905988554 / shrink, (513.137 + 0.5) / shrink - 0.5],
        [0, 0, 1],
    ]
    torch.testing.assert_close(matrix, torch.tensor(expected))


def test_missing_and_damaged_cameras(root: Path) -> None:
    path = root / "camera/train" / f"{TRAIN[0]}_camera.json"
    for text in ("{", "[]", '{"intrinsic": {"fx": 1}}', '{"intrinsic": null}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"camera\.json holds no camera; unpack [^\n]*\.$"):
            intrinsics(Cityscapes(root), 0)
    shutil.rmtree(root / "camera")
    assert read(Cityscapes(root), 0, with_x=False).intrinsics is None


@pytest.mark.parametrize("cities", [["zurich"], "zurich"])
def test_cities(root: Path, cities: Any) -> None:
    assert Cityscapes(root, cities=cities).ids == TRAIN[2:]
    assert Cityscapes(root, cities=["aachen", "zurich"]).ids == TRAIN
    with pytest.raises(ValueError, match=r"Unknown city .*'achen'\. Did you mean 'aachen'\? "):
        Cityscapes(root, cities=["achen"])


def test_lists_draw_from_both_splits(root: Path, tmp_path: Path) -> None:
    names = [FRAMES["val"][0], TRAIN[0]]
    lists = write_list(tmp_path / "lists", names)
    data = Cityscapes(root, lists=lists)
    assert data.ids == names
    assert [data.read(data.ids[i], with_x=True).id for i in range(2)] == names
    write_list(lists, FRAMES["test"])
    with pytest.raises(ValueError, match=r"train\.txt lists 'bonn/bonn_000045_000019', which is"):
        Cityscapes(root, lists=lists)
    with pytest.raises(ValueError, match=r"val\.txt is missing"):
        Cityscapes(root, split="val", lists=lists)


def test_a_sequence_is_a_city(root: Path) -> None:
    assert {Cityscapes(root).sequence(name) for name in TRAIN} == {"aachen", "zurich"}
