"""nuImages: tables, masks as the development kit draws them, and splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as coco
import pytest
import torch
from PIL import Image

from lix.data import build_dataset
from lix.data.sets import nuimages
from lix.data.sets.nuimages import NuImages
from tests.data.sets.contract import Case, spy
from tests.data.sets.nuimages_tables import (
    LOGS,
    SIZE,
    compressed,
    decompressed,
    devkit_mask,
    frame_ids,
    runs,
    write,
)

# pycocotools implements NumPy 1's `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CASE = Case(write, train=2, val=2, images=4, options={"version": "v1.0-train"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "nuimages")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 64), (90, 160)])
def test_the_tests_run_lengths_are_those_of_pycocotools(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.01, 0.5, 1.0):
        mask = np.asfortranarray((rng.random(size) < share).astype(np.uint8))
        assert coco.encode(mask)["counts"] == compressed(runs(mask))
        assert np.array_equal(decompressed(compressed(runs(mask)), size), mask)


@pytest.mark.parametrize(("background", "last"), [("class", 25), ("ignore", 255)])
def test_labels_are_the_devkits(root: Path, background: Any, last: int) -> None:
    data = NuImages(root, background=background)
    train_ids = np.full(32, last)
    train_ids[[*range(1, 25), 31]] = range(25)
    assert sorted(data.ids) == data.ids
    for index, name in enumerate(data.ids):
        target = data.read(data.ids[index], with_x=False).target
        assert target.dtype == torch.int64
        expected = train_ids[devkit_mask(frame_ids(4).index(name))]
        assert np.array_equal(target.numpy(), expected)
        assert len(np.unique(expected)) > 4
    assert len(data.classes) == len(data.palette) == (26 if background == "class" else 25)
    assert data.classes[16] == "vehicle.car"
    assert data.classes[24] == "vehicle.ego"


def test_key_frames_alone_with_their_cameras(root: Path) -> None:
    data = NuImages(root)
    assert data.ids == sorted(frame_ids(4))
    for index, name in enumerate(data.ids):
        sample = data.read(data.ids[index], with_x=False)
        frame = frame_ids(4).index(name)
        assert (sample.image == 90 + frame).all()
        assert sample.intrinsics is not None
        assert sample.intrinsics[0].tolist() == [100 + frame % 2, 0, 8.5]
        assert data.sequence(name) in LOGS


def test_the_devkits_splits(root: Path) -> None:
    write(root, "v1.0-val", 2)
    assert len(NuImages(root)) == 4
    assert len(build_dataset("nuimages", root, split="val")) == 2


def test_another_version_keeps_a_log_on_one_side(root: Path) -> None:
    write(root, "v1.0-mini", 6)
    train, val = (NuImages(root, version="v1.0-mini", split=s) for s in ("train", "val"))  # type: ignore[arg-type]
    assert sorted(train.ids + val.ids) == sorted(frame_ids(6))
    assert len({train.sequence(name) for name in train.ids + val.ids}) == 2
    assert len({train.sequence(name) for name in train.ids}) == 1


def test_paper_draw_does_not_depend_on_the_table(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ValueError, match=r"v1\.0-train has 4 key frames, and subset=paper draws 800"
    ):
        NuImages(root, subset="paper")
    monkeypatch.setattr(nuimages, "PAPER_IMAGES", 10)
    write(root, count=16)
    train = NuImages(root, subset="paper").ids
    val = NuImages(root, subset="paper", split="val").ids
    assert (len(train), len(val), len({*train, *val})) == (7, 3, 10)
    table = root / "v1.0-train/sample_data.json"
    table.write_text(json.dumps(json.loads(table.read_text())[::-1]))
    assert NuImages(root, subset="paper").ids == train
    for option in ({"version": "v1.0-mini"}, {"lists": root}):
        with pytest.raises(ValueError, match="leave version and lists out"):
            NuImages(root, subset="paper", **option)


def test_lists(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(f"{frame_ids(4)[2]}\n{frame_ids(4)[0]}\n")
    data = NuImages(root, lists=tmp_path)
    assert data.ids == [frame_ids(4)[2], frame_ids(4)[0]]
    assert data.read(data.ids[0], with_x=False).image[0, 0, 0] == 92
    (tmp_path / "train.txt").write_text("CAM_FRONT/other")
    with pytest.raises(ValueError, match=r"train\.txt lists 'CAM_FRONT/other', which is not a"):
        NuImages(root, lists=tmp_path)


def test_lists_may_mix_the_tables(root: Path, tmp_path: Path) -> None:
    write(root, "v1.0-val", 6)
    table = root / "v1.0-val/sample_data.json"
    table.write_text(json.dumps(json.loads(table.read_text())[12:]))
    names = [frame_ids(4)[0], frame_ids(6)[5]]
    (tmp_path / "train.txt").write_text("\n".join(names))
    data = NuImages(root, lists=tmp_path)
    assert [data.label_path(name).parent.name for name in data.ids] == [
        "v1.0-train",
        "v1.0-val",
    ]
    for index, frame in enumerate([0, 5]):
        covered = data.read(data.ids[index], with_x=False).target.numpy() < 25
        assert np.array_equal(covered, devkit_mask(frame) > 0)


def test_tables_are_read_late_and_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = spy(monkeypatch)
    data = NuImages(root)
    assert [path.name for path in opened] == ["sample_data.json"]
    for index in [0, 1, 2, 3, 0]:
        data.read(data.ids[index], with_x=False)
    assert sorted(path.name for path in opened if path.suffix == ".json") == [
        *("calibrated_sensor.json", "category.json", "object_ann.json"),
        *("sample_data.json", "surface_ann.json"),
    ]


def test_kept_labels_need_neither_tables_nor_pycocotools(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = NuImages(root, masks=tmp_path / "masks")
    before = [data.read_target(data.ids[i]) for i in range(4)]
    kept = tmp_path / "masks" / f"{data.ids[0]}.png"
    assert kept.is_file()
    assert (
        data.label_path(data.ids[0]).name == "object_ann.json"
    )  # so a cache does not depend on masks
    for table in ("object_ann", "surface_ann", "category"):
        (root / f"v1.0-train/{table}.json").unlink()
    monkeypatch.setattr("lix.core.errors.find_spec", lambda name: None)
    after = NuImages(root, masks=tmp_path / "masks", background="ignore")
    for index, target in enumerate(before):
        ignored = after.read_target(after.ids[index])
        assert np.array_equal(ignored, np.where(target == 25, 255, target))
    assert not list((tmp_path / "masks").rglob(".*"))
    Image.fromarray(np.full(SIZE, 31, np.uint8)).save(kept)
    with pytest.raises(ValueError, match=r"has the label 31, which is not a class; lix did"):
        after.read_target(after.ids[0])


def test_missing_extra_stops_the_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lix.core.errors.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "lix\[nuimages\]"'):
        NuImages(root)
