"""MUSES: projected sensors, weathers and times of day, and a test part without labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data.modalities import Depth, XSpec
from lix.data.sets.muses import MUSES
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save

SIZE = (6, 8)
FRAMES = [
    "train/clear/day/REC0006_frame_040219",
    "train/fog/night/REC0241_frame_499918",
    "val/snow/day/REC0013_frame_001234",
    "test/rain/night/REC0020_frame_000567",
]
RANGE = np.where(np.arange(48).reshape(SIZE) % 3, 0, 12.5).astype(np.float32)


def labels() -> NDArray[np.uint8]:
    values = np.arange(48, dtype=np.uint8).reshape(SIZE) % 19
    values[0] = 255
    return values


def lidar() -> NDArray[np.float32]:
    """Range, intensity and height, as the authors' script writes them."""
    measured = RANGE > 0
    return np.dstack([RANGE, measured * 51.0, measured * -1.5]).astype(np.float32)


def events() -> NDArray[np.uint8]:
    """Counts of brighter and of darker events, and an empty channel."""
    counts = np.arange(48, dtype=np.uint8).reshape(SIZE)
    return np.dstack([counts, counts[::-1], np.zeros_like(counts)])


def write(root: Path) -> Path:
    for number, frame in enumerate(FRAMES):
        image = np.full((*SIZE, 3), 90 + number, np.uint8)
        save(root / "frame_camera" / f"{frame}_frame_camera.png", image)
        if not frame.startswith("test"):
            save(root / "gt_semantic" / f"{frame}_gt_labelTrainIds.png", labels())
        for sensor, array in (("lidar", lidar()), ("event_camera", events())):
            path = root / "projected_to_rgb" / sensor / f"{frame}_{sensor}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, array)
    camera = {"K": [[1920.0, 0, 960.0], [0, 1080.0, 540.0], [0, 0, 1]]}
    (root / "calib.json").write_text(json.dumps({"intrinsics": {"rgb": camera}}))
    return root


CASE = Case(write, train=2, val=1, images=4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "muses")


def test_lidar_is_depth_in_metres(root: Path) -> None:
    data = MUSES(root)
    assert data.ids == FRAMES[:2]
    assert data.x == (XSpec("depth", 1),)
    sample = read(data, 0, with_x=True)
    assert np.array_equal(sample.target.numpy(), labels())
    assert isinstance(sample.x[0], Depth)
    expected = torch.from_numpy(np.where(RANGE > 0, RANGE, np.nan))[None]
    torch.testing.assert_close(plain(sample.x[0]), expected, equal_nan=True)
    assert sample.intrinsics is not None
    expected = torch.tensor([[8, 0, 960.5 / 240 - 0.5], [0, 6, 540.5 / 180 - 0.5], [0, 0, 1]])
    torch.testing.assert_close(sample.intrinsics, expected)


def test_several_modalities(root: Path) -> None:
    data = MUSES(root, modalities=["lidar", "intensity", "event"])
    assert data.x == (XSpec("depth", 1), XSpec("channels", 1), XSpec("channels", 2))
    _, intensity, event = read(data, 0, with_x=True).x
    torch.testing.assert_close(plain(intensity)[0], torch.from_numpy((RANGE > 0) * 0.2).float())
    torch.testing.assert_close(
        plain(event), torch.from_numpy(events()[..., :2]).permute(2, 0, 1) / 255
    )
    with pytest.raises(ValueError, match=r"Unknown modality 'lida'\. Did you mean 'lidar'"):
        MUSES(root, modalities=["lida"])


def test_projections_may_be_npy(root: Path) -> None:
    path = MUSES(root).x_sources[0].path(FRAMES[0])
    path.unlink()
    save(path.with_suffix(".npy"), lidar())
    assert read(MUSES(root), 0, with_x=True).x[0].isfinite().any()
    save(path.with_suffix(".npy"), lidar()[..., 0])
    with pytest.raises(ValueError, match=r"not \(H, W, 3\); project it with the authors' script"):
        read(MUSES(root), 0, with_x=True)


def test_frames_are_chosen_by_condition(root: Path) -> None:
    assert MUSES(root, weathers="fog").ids == MUSES(root, times="night").ids == FRAMES[1:2]
    data = MUSES(root)
    assert dict(data.conditions(FRAMES[1])) == {"weather": "fog", "time": "night"}
    assert data.sequence(FRAMES[1]) == "REC0241"


def test_the_test_part_is_a_drive(root: Path) -> None:
    drive = MUSES(root, labelled=False, parts="test")
    assert drive.ids == FRAMES[3:]
    sample = drive.read(FRAMES[3], with_x=True)
    assert (sample.target == 255).all()
    assert sample.x[0].isfinite().any()
    with pytest.raises(ValueError, match="has no test split"):
        MUSES(root, split="test")


def test_a_damaged_calibration_is_named(root: Path) -> None:
    (root / "calib.json").write_text("{}")
    with pytest.raises(ValueError, match=r"calib\.json holds no camera; unpack it"):
        read(MUSES(root), 0)
    (root / "calib.json").unlink()
    assert read(MUSES(root), 0).intrinsics is None
