"""KITTI Road: both forms, labels, depth and splits."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data.modalities import Depth
from lix.data.sets.kitti_road import KITTIRoad
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save, write_list

SIZE = (8, 12)
IDS = [f"{kind}_{number:06d}" for kind in ("um", "umm", "uu") for number in (8, 9, 10, 11)]
COLOURS = np.array([(255, 0, 0), (255, 0, 255), (0, 0, 0), (0, 0, 255)], np.uint8)
KINDS = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 4
TARGET = np.array([0, 1, 255, 255], np.uint8)[KINDS]
MILLIMETRES = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) * 601).astype(np.uint16)
MILLIMETRES[0, :2] = 0, 65535
CALIBRATION = """P0: 7.2e+02 0 6.1e+02 0 0 7.2e+02 1.7e+02 0 0 0 1 0
P2: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.000000e+00 7.305377e+02 1.728540e+02 \
2.163791e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.745884e-03
R0_rect: 9.999239e-01 9.837760e-03 -7.445048e-03 0 1 0 0 0 1
"""


def write(
    root: Path, names: list[str] = IDS, folder: str = "training", *, sne: bool = False
) -> Path:
    """Write frames as data_road.zip unpacks, with SNE-RoadSeg's depth on top."""
    (root / folder / "calib").mkdir(parents=True, exist_ok=True)
    for name in names:
        kind, number = name.split("_")
        image = np.full((*SIZE, 3), (90 + int(number), 100, 110), np.uint8)
        for part in ("image_2", "image_3"):
            save(root / folder / part / f"{name}.png", image)
        save(root / folder / "gt_image_2" / f"{kind}_road_{number}.png", COLOURS[KINDS])
        if kind == "um":
            save(root / folder / "gt_image_2" / f"um_lane_{number}.png", COLOURS[KINDS * 0])
        if sne:
            save(root / folder / "depth_u16" / f"{name}.png", MILLIMETRES)
        (root / folder / "calib" / f"{name}.txt").write_text(CALIBRATION)
    save(root / "testing" / "image_2" / "um_000000.png", image)
    return root


CASE = Case(partial(write, sne=True), train=8, val=4, images=12)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data_road", sne=True)


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return write(tmp_path / "official")


def test_a_frame(root: Path) -> None:
    data = KITTIRoad(root)
    for index in range(len(data)):
        sample = data.read(data.ids[index], with_x=True)
        assert sample.image[:, 0, 0].tolist() == [90 + int(sample.id[-6:]), 100, 110]
        assert np.array_equal(sample.target.numpy(), TARGET)
        assert sample.intrinsics is not None
        torch.testing.assert_close(
            sample.intrinsics,
            torch.tensor([[721.5377, 0, 609.5593], [0, 730.5377, 172.854], [0, 0, 1]]),
        )
    assert data.classes == ("not road", "road")


def test_depth_is_in_metres(root: Path) -> None:
    x = read(KITTIRoad(root), 0, with_x=True).x[0]
    assert isinstance(x, Depth)
    assert plain(x)[0, 0, :2].isnan().all()
    expected = torch.from_numpy(MILLIMETRES[1:].astype(np.float32)) / 1000
    assert torch.equal(plain(x)[0, 1:], expected)


def test_neighbours_stay_together(root: Path) -> None:
    train, val = KITTIRoad(root).ids, KITTIRoad(root, split="val").ids
    assert sorted(train + val) == IDS
    assert len(val) == 4
    assert not {name[:-1] for name in train} & {name[:-1] for name in val}


def test_validation_folder_is_val_and_never_train(root: Path) -> None:
    write(root, IDS[3:5], "validation", sne=True)
    train, val = KITTIRoad(root), KITTIRoad(root, split="val")
    assert val.ids == IDS[3:5]
    assert train.ids == IDS[:3] + IDS[5:]
    assert val.image_path(val.ids[0]) == root / "validation/image_2" / f"{IDS[3]}.png"
    assert val.read(val.ids[1], with_x=True).x


def test_lists_draw_from_both_folders(root: Path, tmp_path: Path) -> None:
    write(root, ["uu_000090"], "validation")
    lists = write_list(tmp_path / "lists", ["uu_000090", IDS[0]])
    assert KITTIRoad(root, lists=lists).ids == ["uu_000090", IDS[0]]
    write_list(lists, ["um_road_000000"])
    with pytest.raises(ValueError, match=r"train\.txt lists 'um_road_000000', which is not a fr"):
        KITTIRoad(root, lists=lists)


def test_official_form_has_no_x(official: Path, tmp_path: Path) -> None:
    data = KITTIRoad(official)
    assert data.x_kind is None
    assert data.read(data.ids[0], with_x=False).x == ()
    with pytest.raises(ValueError, match=r"no X, .*make depth with `lix data depth` [^\n]*\.$"):
        data.read(data.ids[0], with_x=True)
    for name in IDS:
        save(tmp_path / "x/training/image_2" / f"{name}.png", MILLIMETRES)
    (tmp_path / "x/x.yaml").write_text("{kind: disparity, scale: 1/256}")
    x = read(KITTIRoad(official, x=[tmp_path / "x"]), 0, with_x=True).x[0]
    assert plain(x)[0, 1, 0] == MILLIMETRES[1, 0] / 256


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        (np.full((*SIZE, 3), (255, 0, 128), np.uint8), r"\(255, 0, 128\)"),
        (np.ones(SIZE, np.uint8), r"\(1, 1, 1\)"),
    ],
    ids=["resized", "0 and 1"],
)
def test_labels_of_another_kind(root: Path, label: NDArray[Any], colour: str) -> None:
    data = KITTIRoad(root)
    save(data.label_path(data.ids[0]), label)
    with pytest.raises(
        ValueError, match=rf"_road_0000\d\d\.png has the colour {colour}, [^\n]*\.$"
    ):
        data.read_target(data.ids[0])


def test_missing_and_damaged_calibration(root: Path) -> None:
    data = KITTIRoad(root)
    path = root / "training/calib" / f"{data.ids[0]}.txt"
    path.write_text("P2: 1 2\n")
    with pytest.raises(ValueError, match=r"\.txt has no line `P2:` of 12 numbers; restore"):
        data.intrinsics(data.ids[0])
    shutil.rmtree(root / "training/calib")
    assert data.read(data.ids[0], with_x=False).intrinsics is None
