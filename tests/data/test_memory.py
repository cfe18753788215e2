"""A data set that is a Python object: what a frame may be, and a sentence for everything else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from lix.core.errors import DataError
from lix.data.memory import Frames, MemoryDataset
from lix.data.modalities import Depth, XSpec
from lix.runs.data import open_dataset
from lix.runs.settings import Data

PIXELS = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
LABEL = np.array([[0, 1, 255, 0, 1, 1]] * 4, np.uint8)
DEPTH = np.linspace(0, 5, 24, dtype=np.float32).reshape(4, 6)
FRAME = {"image": PIXELS, "label": LABEL, "x": DEPTH}
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1)


def opened(item: Any, x: Any = "depth", **options: Any) -> MemoryDataset:
    return MemoryDataset(Frames([item], [item], ("road", "car"), x=x, **options), "train")


def read(item: Any, **options: Any) -> Any:
    dataset = opened(item, **options)
    return dataset.read(dataset.ids[0], with_x=True)


@pytest.mark.parametrize("image", ["path", Image.fromarray(PIXELS), PIXELS, TENSOR])
def test_images_of_every_kind_are_the_same(image: Any, tmp_path: Path) -> None:
    if isinstance(image, str):
        image = tmp_path / "a.png"
        Image.fromarray(PIXELS).save(image)
    assert torch.equal(read(FRAME | {"image": image}).image, TENSOR)


def test_floats_and_labels_and_x_of_every_kind() -> None:
    assert torch.equal(read(FRAME | {"image": TENSOR / 255}).image, TENSOR / 255)
    for label in (LABEL, LABEL.astype(np.int64), Image.fromarray(LABEL), torch.from_numpy(LABEL)):
        assert torch.equal(read(FRAME | {"label": label}).target, torch.from_numpy(LABEL).long())
    (depth,) = read(FRAME).x
    assert isinstance(depth, Depth)
    assert depth.shape == (1, 4, 6)
    assert depth[0, 0, 0].isnan(), "0 is not measured"
    both = read(FRAME | {"x": (DEPTH, np.ones((2, 4, 6), np.float32))}, x=("depth", "channels"))
    assert [tuple(x.shape) for x in both.x] == [(1, 4, 6), (2, 4, 6)]
    dataset = opened(FRAME | {"x": np.ones((2, 4, 6), np.float32)}, x="channels")
    assert dataset.x == (XSpec("channels", 2),)


class Lazy(Dataset[dict[str, Any]]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict[str, Any]:
        return FRAME


def test_a_torch_dataset_is_read_when_asked_and_goes_to_workers() -> None:
    frames = Frames(Lazy(), [FRAME], ("road", "car"), x="depth")
    data = Data().with_frames(frames)
    train = pickle.loads(pickle.dumps(open_dataset(data, "train")))
    assert train.ids == ["train[0]", "train[1]", "train[2]"]
    assert open_dataset(data, "val").ids == ["val[0]"]
    assert train.read("train[2]", with_x=False).x == ()
    assert "frames" not in data.model_dump()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": PIXELS[..., 0]}, r"\(4, 6\); give a path, a Pillow image, \(H, W, 3\) uint8"),
        ({"image": TENSOR.float()}, r"in \[0, 1\]"),
        ({"image": None}, r"train\[0\] of the data has no 'image'"),
        ({"label": LABEL + 1}, "has the label 2; give 0 to 1, or 255"),
        ({"label": LABEL.astype(float)}, r"float64 \(4, 6\); give integers \(H, W\)"),
        ({"label": LABEL[:2]}, "the label is 2x6 but the image is 4x6"),
        ({"x": (DEPTH, DEPTH)}, "has 2 x; give depth as a tuple"),
        ({"x": np.ones((2, 4, 6))}, r"wrong x: depth is \(1, H, W\), got \(2, 4, 6\)\."),
    ],
)
def test_a_wrong_frame_is_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(FRAME | change)


def test_a_frame_that_is_no_dict_is_one_sentence() -> None:
    with pytest.raises(DataError, match="is a tuple; give a dict of image, label and x"):
        read((PIXELS, LABEL))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": ("a", "a")}, "different names"),
        ({"x": "dept"}, "Did you mean 'depth'"),
        ({"palette": ((1, 2, 3),)}, "2 classes but 1 colours"),
    ],
)
def test_a_wrong_description_is_one_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Frames([FRAME], [FRAME], **{"classes": ("road", "car"), **options})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": Path("a")}, "name the loader of a, such as folder"),
        ({"cache": Path("a")}, r"need no data\.cache"),
    ],
)
def test_settings_of_files_do_not_fit(change: dict[str, Any], words: str) -> None:
    data = Data().with_frames(Frames([FRAME], [FRAME], ("road", "car")))
    with pytest.raises(ValueError, match=words):
        open_dataset(data.model_copy(update=change), "train")
    with pytest.raises(ValueError, match="has no frames"):
        open_dataset(Data().with_frames(Frames([], [FRAME], ("road", "car"))), "train")


def test_a_third_split_is_there_if_it_is_given() -> None:
    given = {"train": [FRAME], "val": [FRAME], "classes": ("road", "car")}
    data = open_dataset(Data().with_frames(Frames(**given, test=[FRAME, FRAME])), "test")
    assert data.ids == ["test[0]", "test[1]"]
    with pytest.raises(DataError, match=r"no test split; pass it as test= to lix\.Frames\.$"):
        open_dataset(Data().with_frames(Frames(**given)), "test")
