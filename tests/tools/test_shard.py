"""`lix data shard`: shards that a training reads as it reads the files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lix.data import build_dataset
from lix.data.dataset import SegDataset
from lix.tools.shard import shard
from tests.cli.test_cli import lix
from tests.data.sets.contract import one_sentence


@pytest.fixture(scope="module")
def shards(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("shards") / "drive"
    assert shard(streets, output, frames_per_shard=10).written == 3
    return output


def opened(shards: Path) -> SegDataset:
    return build_dataset("folder", shards, False)


def test_frames_are_those_of_the_drive(streets: Path, shards: Path) -> None:
    drive, copy = build_dataset("vkitti2", streets, False, split="train"), opened(shards)
    by_name = {frame.partition("/")[2]: frame for frame in copy.ids}
    assert sorted(by_name) == sorted(drive.ids)
    assert {frame.partition("/")[0] for frame in copy.ids} == {f"drive-{n:05d}" for n in range(3)}
    for name in drive.ids:
        one, other = drive.read(name, with_x=True), copy.read(by_name[name], with_x=True)
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.x[0].nan_to_num(-1), other.x[0].nan_to_num(-1))
        assert torch.equal(one.intrinsics, other.intrinsics)
    assert (copy.x, copy.x_spans) == (drive.x, drive.x_spans)


def test_keys_are_those_of_webdataset(shards: Path) -> None:
    """The key of a name ends at the first dot of its last part; files of a key are neighbours."""
    with tarfile.open(shards / "drive-00000.tar") as archive:
        names = archive.getnames()
    keys = [name[: name.index(".", name.rindex("/"))] for name in names]
    assert [name.removeprefix(key) for name, key in zip(names, keys, strict=True)] == [
        *(10 * [".rgb.jpg", ".x.png"])
    ]
    assert keys[::2] == keys[1::2]
    assert keys[::2] != sorted(keys[::2]), "neighbours of a video are apart"


def test_a_second_call_writes_what_is_missing(
    streets: Path, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert lix("data", "shard", streets, out, "--frames", 10) == 0
    assert "24 frames, 3 shards written, 0 kept" in capsys.readouterr().out
    before = {path.name: path.read_bytes() for path in shards.glob("*.tar")}
    assert {path.name: path.read_bytes() for path in out.glob("*.tar")} == before
    (out / "drive-00001.tar").unlink()
    report = shard(streets, out, frames_per_shard=10)
    assert (report.written, report.kept) == (1, 2)
    assert {path.name: path.read_bytes() for path in out.glob("*.tar")} == before
    with one_sentence("holds other frames; choose another folder"):
        shard(streets, out, frames_per_shard=9)


def picture(path: Path, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), len(path.name), np.uint8)).save(path)


def test_plain_images_of_several_formats_and_two_x(tmp_path: Path) -> None:
    root = tmp_path / "drive"
    for name in ("a/1.left.png", "a/2.jpg", "b.png"):
        picture(root / name)
        for kind in ("depth", "disparity"):
            target = tmp_path / kind / Path(name).with_suffix(".npy")
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, np.full((6, 8), 3, np.float32))
            (tmp_path / kind / "x.yaml").write_text(f"kind: {kind}\n")
    x = [tmp_path / "depth", tmp_path / "disparity"]
    shard(root, tmp_path / "out", options={"x": x})
    data = opened(tmp_path / "out")
    assert [frame.partition("/")[2] for frame in data.ids] == ["a/1_left", "a/2", "b"]
    assert [kind for kind, _ in data.x] == ["depth", "disparity"]
    assert data.read(data.ids[0], with_x=True).x[1].max() == 3
    picture(root / "a/1_left.png")
    with one_sentence("differ only by a dot; rename one"):
        shard(root, tmp_path / "other")


def test_shards_of_another_tool(tmp_path: Path) -> None:
    """Keys and suffixes as they come; a YAML says which is which."""
    picture(tmp_path / "7.png")
    content, stream = (tmp_path / "7.png").read_bytes(), io.BytesIO()
    np.save(stream, np.full((6, 8), 2, np.float32))
    with tarfile.open(tmp_path / "train-0.tar", "w") as archive:
        for name, values in (("7.png", content), ("7.depth.npy", stream.getvalue())):
            entry = tarfile.TarInfo(name)
            entry.size = len(values)
            archive.addfile(entry, io.BytesIO(values))
    (tmp_path / "drive.yaml").write_text(
        "files: {image: 'train-*.tar/*.png', x: 'train-*.tar/*.depth.npy'}\nx: {kind: depth}\n"
    )
    data = build_dataset("folder", tmp_path / "drive.yaml", False)
    assert data.ids == ["0/7"]
    assert data.read("0/7", with_x=True).x[0].unique().tolist() == [2]


def test_x_that_is_missing_stops_it(streets: Path, tmp_path: Path) -> None:
    with one_sentence("--frames is 0; give 1 or more"):
        shard(streets, tmp_path / "out", frames_per_shard=0)
    with one_sentence("is missing; name the data set's folder"):
        shard(tmp_path / "nowhere", tmp_path / "out")
