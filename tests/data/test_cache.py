"""The cache gives what the data set gives, reads pictures once, and notices every change."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from lix.core.errors import DataError
from lix.data import build_dataset
from lix.data.cache import Cache
from lix.data.dataset import SegDataset
from lix.data.sample import Sample
from lix.data.sets.vkitti2 import VKITTI2
from lix.data.transforms import resize
from lix.runs.data import EvaluationSet
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.streets import StreetPlan, write_streets
from lix.training.loaders import TrainingSet
from tests.data.frames import plain, read

SIZE = (16, 48)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("streets")
    write_streets(root, StreetPlan(images=3, size=(32, 96), val_images=1), cameras=(0,))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "streets"))


def opened(root: Path) -> SegDataset:
    return build_dataset("vkitti2", root, lists="all")


def same(a: Sample, b: Sample) -> bool:
    both = [(plain(a.image), plain(b.image)), (plain(a.target), plain(b.target))]
    both += [
        (plain(x).nan_to_num(-1), plain(y).nan_to_num(-1)) for x, y in zip(a.x, b.x, strict=True)
    ]
    types = [type(part) for part in a.x] == [type(part) for part in b.x]
    assert a.intrinsics is not None
    assert b.intrinsics is not None
    return (
        types
        and a.id == b.id
        and all(torch.equal(x, y) for x, y in both)
        and torch.equal(a.intrinsics, b.intrinsics)
    )


@pytest.mark.parametrize("with_x", [False, True])
def test_gives_the_resized_sample_and_reads_files_once(
    root: Path, tmp_path: Path, with_x: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = opened(root)
    expected = [resize(data.read(data.ids[i], with_x=with_x), SIZE) for i in range(3)]
    cache = Cache(data, tmp_path / "cache", SIZE)
    assert all(same(cache.read(cache.ids[i], with_x=with_x), expected[i]) for i in range(3))
    again = pickle.loads(pickle.dumps(Cache(opened(root), tmp_path / "cache", SIZE)))
    monkeypatch.setattr(type(again.dataset), "read", None)
    assert all(same(again.read(again.ids[i], with_x=with_x), expected[i]) for i in range(3))
    assert len(again) == 3
    for path in filter(Path.is_file, (tmp_path / "cache").rglob("*")):
        assert path.suffix == ".npy"
        assert not np.load(path, allow_pickle=False).dtype.hasobject


@pytest.mark.parametrize("name", ["*.jpg", "depth_*.png"])
def test_another_file_of_equal_size_and_time_is_noticed(
    root: Path, tmp_path: Path, name: str
) -> None:
    cache = Cache(opened(root), tmp_path / "cache", SIZE)
    cache.read(cache.ids[0], with_x=True)
    for path in root.rglob(name):
        before = path.stat()
        path.write_bytes(bytes(before.st_size))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Cache(opened(root), tmp_path / "cache", SIZE)
    with pytest.raises(DataError, match="cannot be read"):
        again.read(again.ids[0], with_x=True)


def test_an_array_swapped_for_another_of_equal_size_and_time_is_noticed(
    root: Path, tmp_path: Path
) -> None:
    folder, frames = tmp_path / "thermal", opened(root)
    paths = [frames.image_path(f).relative_to(root).with_suffix(".npy") for f in frames.ids]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / path, np.full((32, 96), 1, np.float32))
    (folder / "x.yaml").write_text("kind: channels")

    def x() -> float:
        data = build_dataset("vkitti2", root, lists="all", x=str(folder))
        return float(read(Cache(data, tmp_path / "cache", SIZE), 0, with_x=True).x[0].max())

    assert x() == 1
    other, before = tmp_path / "other.npy", (folder / paths[0]).stat()
    np.save(other, np.full((32, 96), 2, np.float32))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(folder / paths[0])
    after = (folder / paths[0]).stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert x() == 2


def test_a_student_opens_no_file_of_x(root: Path, tmp_path: Path) -> None:
    cache = Cache(opened(root), tmp_path / "cache", SIZE)
    for path in root.rglob("depth_*.png"):
        path.unlink()
    assert cache.read(cache.ids[0], with_x=False).x == ()
    with pytest.raises(ValueError, match="depth files are missing"):
        cache.read(cache.ids[0], with_x=True)


def test_what_is_read_can_be_changed_without_harm(root: Path, tmp_path: Path) -> None:
    cache = Cache(opened(root), tmp_path / "cache", SIZE)
    first = cache.read(cache.ids[0], with_x=True)
    first.image.zero_()
    first.x[0].zero_()
    assert cache.read(cache.ids[0], with_x=True).image.max() > 0
    assert plain(cache.read(cache.ids[0], with_x=True).x[0]).nan_to_num(1).min() > 0


@pytest.mark.parametrize("lost", ["image", "target", "from", "x0"])
def test_a_map_that_a_power_loss_undid_is_stored_anew(
    root: Path, tmp_path: Path, lost: str
) -> None:
    first = read(Cache(opened(root), tmp_path / "cache", SIZE), 0, with_x=True)
    (path,) = (tmp_path / "cache").rglob(f"{lost}.npy")
    np.lib.format.open_memmap(path, mode="r+")[:] = 0
    assert same(read(Cache(opened(root), tmp_path / "cache", SIZE), 0, with_x=True), first)


@pytest.mark.parametrize("change", ["file", "size", "options", "frames"])
def test_every_change_makes_a_new_cache(root: Path, tmp_path: Path, change: str) -> None:
    before = Cache(opened(root), tmp_path / "cache", SIZE)
    before.read(before.ids[0], with_x=False)
    if change == "file":
        image = next(root.rglob("rgb_00000.jpg"))
        shutil.copy(next(root.rglob("rgb_00001.jpg")), image)
        os.utime(image)
    data = VKITTI2(root, split="train") if change == "frames" else opened(root)
    size = (16, 32) if change == "size" else SIZE
    options = {"a": 1} if change == "options" else None
    after = read(Cache(data, tmp_path / "cache", size, options), 0, with_x=False)
    assert same(after, resize(data.read(data.ids[0], with_x=False), size))
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("x", {"kind": "depth", "unit": "mm"}),
        ("x", {"kind": "depth", "unit": "cm", "invalid": 700}),
        ("ignore", [1]),
        ("classes", {0: "road", 1: "road", 2: "car"}),
        ("intrinsics", [10, 10, 5, 5]),
    ],
)
def test_a_corrected_description_counts_at_once(tmp_path: Path, change: str, value: Any) -> None:
    for name in ("a", "b"):
        for part, array in {
            "rgb": np.full((32, 96, 3), 90, np.uint8),
            "ids": np.arange(32 * 96, dtype=np.uint8).reshape(32, 96) % 3,
            "depth": np.full((32, 96), 700, np.uint16),
        }.items():
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / part / f"{name}.png")
    files = {
        part: f"{folder}/*.png"
        for part, folder in (("image", "rgb"), ("label", "ids"), ("x", "depth"))
    }
    entries: dict[str, Any] = {
        "classes": ["road", "kerb", "car"],
        "x": {"kind": "depth", "unit": "cm"},
        "train": files,
        "val": files,
    }

    def both_ways(entries: dict[str, Any]) -> tuple[Sample, Sample]:
        (tmp_path / "lix.yaml").write_text(yaml.safe_dump(entries))
        data = build_dataset("folder", tmp_path)
        cached = read(Cache(data, tmp_path / "cache", SIZE), 0, with_x=True)
        return cached, resize(data.read(data.ids[0], with_x=True), SIZE)

    for cached, plainly in (both_ways(entries), both_ways(entries | {change: value})):
        assert torch.equal(plain(cached.target), plain(plainly.target))
        assert torch.equal(plain(cached.x[0]).nan_to_num(-1), plain(plainly.x[0]).nan_to_num(-1))
        if plainly.intrinsics is None:
            assert cached.intrinsics is None
        else:
            torch.testing.assert_close(cached.intrinsics, plainly.intrinsics)


def test_several_x_keep_their_kinds(root: Path, tmp_path: Path) -> None:
    data = opened(root)
    folder = tmp_path / "thermal"
    for index in range(3):
        file = folder / data.image_path(data.ids[index]).relative_to(root).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.random.default_rng(index).random((32, 96), dtype=np.float32))
    (folder / "x.yaml").write_text("kind: channels")
    both = build_dataset("vkitti2", root, lists="all", x=["own", str(folder)])
    cache = Cache(both, tmp_path / "cache", SIZE)
    expected = resize(both.read(both.ids[1], with_x=True), SIZE)
    assert [type(x).__name__ for x in expected.x] == ["Depth", "Channels"]
    assert same(cache.read(cache.ids[1], with_x=True), expected)
    assert same(cache.read(cache.ids[1], with_x=True), expected)


def test_full_disk_is_one_sentence_and_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left.*data.cache"):
        read(Cache(opened(root), tmp_path / "cache", SIZE), 0, with_x=False)
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_recipes_name_the_cache(root: Path, tmp_path: Path) -> None:
    data = Data(root=root, size=SIZE, cache=tmp_path / "cache", options={"lists": "all"})
    recipe, dataset = Recipe(data=data), opened(root)
    bare = Recipe(data=data.model_copy(update={"cache": None}))
    training = TrainingSet(dataset, recipe, with_x=True)
    first, second = training[0, 1], training[0, 1]
    assert all(torch.equal(first[k], second[k]) for k in ("image", "target", "x"))
    cached, direct = (EvaluationSet(dataset, r.data, with_x=True)[1] for r in (recipe, bare))
    assert all(torch.equal(cached[k], direct[k]) for k in ("image", "target", "x"))
    assert len(list((tmp_path / "cache").iterdir())) == 2  # RGB with labels, and X
