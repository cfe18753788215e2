"""DELIVER: pictures as X, labels in the red channel, weathers and failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data.modalities import Channels, XSpec
from lix.data.sets.deliver import CLASSES, DELIVER
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save

SIZE = (6, 8)
FRAMES = {
    "cloud/train/MAP_1_point102": 110100,
    "night/train/MAP_3_point9_motionblur": 341800,
    "rain/train/MAP_3_point9_eventlowres": 341850,
    "fog/val/MAP_4_point12": 157550,
    "sun/test/MAP_10_point102": 45050,
}


def labels() -> NDArray[np.uint8]:
    """0 and 255 are ignored, 1 to 25 are classes."""
    values = np.arange(48, dtype=np.uint8).reshape(SIZE) % 26
    values[0, 0] = 255
    return values


def picture(start: int, size: tuple[int, int] = SIZE, channels: int = 3) -> NDArray[np.uint8]:
    values = np.arange(size[0] * size[1] * channels) + start
    return (values % 256).astype(np.uint8).reshape(*size, channels)


def write(root: Path) -> Path:
    for number, (scene, count) in enumerate(FRAMES.items()):
        for folder, name, array in (
            ("img", "rgb", picture(number)),
            ("semantic", "semantic", labels()),
            ("hha", "depth", picture(10)),
            ("depth", "depth", picture(20, channels=1)[..., 0]),
            ("lidar", "lidar", picture(30, channels=4)),
            ("event", "event", picture(40, (3, 4) if scene.endswith("eventlowres") else SIZE)),
        ):
            save(root / folder / scene / f"{count:06d}_{name}_front.png", array)
    return root


CASE = Case(write, train=3, val=1, images=5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "DELIVER")


def test_the_teacher_of_published_networks_sees_hha(root: Path) -> None:
    data = DELIVER(root)
    assert data.x == (XSpec("channels", 3),)
    sample = read(data, 0, with_x=True)
    assert isinstance(sample.x[0], Channels)
    expected = torch.from_numpy(picture(10)).permute(2, 0, 1) / 255
    torch.testing.assert_close(plain(sample.x[0]), expected)


def test_all_modalities_have_the_size_of_the_image(root: Path) -> None:
    data = DELIVER(root, modalities=["depth", "lidar", "event"])
    assert data.x == (XSpec("channels", 1), XSpec("channels", 3), XSpec("channels", 3))
    low = next(frame for frame in data.ids if "eventlowres" in frame)
    x = data.read(low, with_x=True).x
    assert [tuple(part.shape) for part in x] == [(1, *SIZE), (3, *SIZE), (3, *SIZE)]
    repeated = np.repeat(np.repeat(picture(40, (3, 4)), 2, axis=0), 2, axis=1)
    assert torch.equal(plain(x[2]), torch.from_numpy(repeated).permute(2, 0, 1) / 255)
    assert torch.equal(plain(x[1])[0], torch.from_numpy(picture(30, channels=4)[..., 0]) / 255)
    with pytest.raises(ValueError, match=r"Unknown modality 'radar'"):
        DELIVER(root, modalities=["radar"])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_labels_begin_at_one(root: Path, channels: int) -> None:
    data = DELIVER(root)
    array = labels()
    if channels > 1:
        array = np.dstack([array] + [np.full(SIZE, 255, np.uint8)] * (channels - 1))
    save(data.label_path(data.ids[0]), array)
    expected = np.where(np.isin(labels(), (0, 255)), 255, labels() - 1)
    assert np.array_equal(data.read_target(data.ids[0]), expected)
    assert list(CLASSES)[expected[0, 1]] == "Building"


def test_splits_weathers_and_parts(root: Path) -> None:
    assert DELIVER(root, split="val").ids == ["fog/val/MAP_4_point12/157550"]
    assert DELIVER(root, split="test").ids == ["sun/test/MAP_10_point102/045050"]
    assert DELIVER(root, weathers="cloud").ids == ["cloud/train/MAP_1_point102/110100"]
    drive = DELIVER(root, labelled=False, parts="train", weathers=["night", "rain"])
    assert [frame.partition("/")[0] for frame in drive.ids] == ["night", "rain"]
    with pytest.raises(ValueError, match=r"Unknown weather of these frames 'snow'"):
        DELIVER(root, weathers=["snow"])


def test_a_place_is_one_sequence_in_every_weather(root: Path) -> None:
    data = DELIVER(root)
    assert [data.sequence(frame) for frame in data.ids] == [
        "MAP_1_point102",
        "MAP_3_point9",
        "MAP_3_point9",
    ]


def test_conditions(root: Path) -> None:
    data = DELIVER(root)
    assert [dict(data.conditions(frame)) for frame in data.ids] == [
        {"weather": "cloud", "failure": "none"},
        {"weather": "night", "failure": "motionblur"},
        {"weather": "rain", "failure": "eventlowres"},
    ]
