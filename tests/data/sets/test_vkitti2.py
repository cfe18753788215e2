"""Virtual KITTI 2: layouts, lists, filters, units, colours and cameras."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lix.data.modalities import Depth
from lix.data.sets.vkitti2 import (
    CLASSES,
    LIST_HASHES,
    OFFICIAL_CAMERA,
    OFFICIAL_SIZE,
    VKITTI2,
    paper_list,
)
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save, write_list

SIZE = (8, 12)
FRAMES = [
    ("Scene01", "clone", 0, 0),
    ("Scene01", "clone", 1, 0),
    ("Scene01", "fog", 0, 3),
    ("Scene02", "clone", 0, 7),
]
IDS = [f"{s}/{v}/Camera_{c}/{n:05d}" for s, v, c, n in FRAMES]
COLOURS = np.array([*CLASSES.values(), (0, 0, 0)], np.uint8)


def classes_of(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.intp]:
    """Which class each pixel has in the files of a frame; 14 is `Undefined`."""
    return (np.arange(size[0] * size[1]).reshape(size) + number) % len(COLOURS)


def centimetres_of(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint16]:
    values = (np.arange(size[0] * size[1]).reshape(size) * 37 + 100 + number).astype(np.uint16)
    values[0] = 65535
    return values


def write(
    root: Path, *, apart: bool = False, lower: bool = False, size: tuple[int, int] = SIZE
) -> Path:
    """Write `FRAMES` in either layout of the official archives."""

    def tree(modality: str) -> Path:
        name = f"vkitti_2.0.3_{modality}" if apart else ""
        return root / (name.lower() if lower else name)

    for scene, variation, camera, number in FRAMES:
        for modality, name, array in (
            ("rgb", f"rgb_{number:05d}.jpg", np.full((*size, 3), 90 + number, np.uint8)),
            ("classSegmentation", f"classgt_{number:05d}.png", COLOURS[classes_of(number, size)]),
            ("depth", f"depth_{number:05d}.png", centimetres_of(number, size)),
        ):
            folder = modality.lower() if lower else modality
            frames = tree(modality) / scene / variation / "frames"
            save(frames / folder / f"Camera_{camera}" / name, array)
        intrinsic = tree("textgt") / scene / variation / "intrinsic.txt"
        intrinsic.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{n} {c} {100 + n} {200 + c} 5.5 3.5" for _, _, c, n in FRAMES]
        intrinsic.write_text("frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n" + "\n".join(rows))
    return root


CASE = Case(write, train=4, val=4, images=4, options={"lists": "all"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "vkitti2")


@pytest.mark.parametrize("apart", [False, True], ids=["merged", "per modality"])
@pytest.mark.parametrize("lower", [False, True], ids=["camelCase", "lower case"])
def test_both_layouts(tmp_path: Path, apart: bool, lower: bool) -> None:
    data = VKITTI2(write(tmp_path, apart=apart, lower=lower), lists="all")
    assert data.ids == IDS
    assert len(data) == len(IDS)
    for index, (_, _, camera, number) in enumerate(FRAMES):
        sample = data.read(data.ids[index], with_x=True)
        assert sample.id == IDS[index]
        assert (sample.image == 90 + number).all()
        expected = np.where(classes_of(number) == 14, 255, classes_of(number))
        assert np.array_equal(sample.target.numpy(), expected)
        assert sample.target.dtype == torch.int64
        assert sample.intrinsics is not None
        assert sample.intrinsics.tolist() == [[100 + number, 0, 5.5], [0, 200 + camera, 3.5],
                                              [0, 0, 1]]  # fmt: skip


def test_depth_is_in_metres_and_the_far_plane_invalid(root: Path) -> None:
    x = read(VKITTI2(root, lists="all"), 3, with_x=True).x[0]
    assert isinstance(x, Depth)
    assert x.dtype == torch.float32
    assert x.shape == (1, *SIZE)
    assert plain(x)[0, 0].isnan().all()
    expected = torch.from_numpy(centimetres_of(7)[1:].astype(np.float32) / 100)
    assert torch.equal(plain(x)[0, 1:], expected)


def test_missing_images_and_labels_stop_the_opening(root: Path) -> None:
    (root / "Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 image files are missing, first .*Camera_0.rgb_0"):
        VKITTI2(root, lists=write_list(root / "lists", IDS[:3]))
    shutil.rmtree(root / "Scene02/clone/frames/classSegmentation")
    with pytest.raises(ValueError, match=r"1 of 3 label files .*classgt_00007.*unpack"):
        VKITTI2(root, lists="all")
    assert VKITTI2(root, lists="all", scenes=["Scene01"]).ids == IDS[1:3]


def test_own_lists_come_first(root: Path) -> None:
    (root / "train.txt").write_text(IDS[2] + "\n" + IDS[0] + "\n")
    assert VKITTI2(root).ids == [IDS[2], IDS[0]]
    assert VKITTI2(root, lists=write_list(root / "lists", IDS[1:])).ids == IDS[1:]
    with pytest.raises(FileNotFoundError, match=r"val\.txt is missing; .* lists=all"):
        VKITTI2(root, split="val", lists=str(root / "lists"))


def test_paper_list_is_the_default(root: Path) -> None:
    with pytest.raises(ValueError, match="500 of 500 image files are missing"):
        VKITTI2(root)
    with pytest.raises(ValueError, match="200 of 200 image files are missing"):
        VKITTI2(root, split="val", lists="paper")


def test_paper_lists_are_disjoint_and_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    train, val = paper_list("train").split(), paper_list("val").split()
    assert (len(set(train)), len(set(val))) == (500, 200)
    assert not set(train) & set(val)
    monkeypatch.setitem(LIST_HASHES, "val", "0" * 64)
    with pytest.raises(ValueError, match=r"val\.txt was changed"):
        paper_list("val")


@pytest.mark.parametrize(
    ("kept", "ids"),
    [
        ({"scenes": ["Scene01"]}, IDS[:3]),
        ({"scenes": "Scene02"}, IDS[3:]),
        ({"variations": ["clone"]}, [IDS[0], IDS[1], IDS[3]]),
        ({"cameras": [1]}, IDS[1:2]),
        ({"cameras": 0}, [IDS[0], IDS[2], IDS[3]]),
        ({"cameras": [0, 1], "variations": ["fog", "clone"]}, IDS),
    ],
)
def test_filters(root: Path, kept: dict[str, Any], ids: list[str]) -> None:
    assert VKITTI2(root, lists="all", **kept).ids == ids


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"scenes": ["Scene01", "Scene3"]}, "Unknown scene .* 'Scene3'. Did you mean 'Scene0"),
        ({"variations": ["clones"]}, "Did you mean 'clone'"),
        ({"cameras": [2]}, "'Camera_2'.* Choose from Camera_0, Camera_1"),
    ],
)
def test_unknown_filter_names_the_choices(root: Path, kept: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VKITTI2(root, lists="all", **kept)


def test_wrong_roots_and_lists(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No image fits .*empty.*; unpack vkitti_2"):
        VKITTI2(tmp_path / "empty", lists="all")
    with pytest.raises(ValueError, match=r"train\.txt: 'Scene01/clone/12' is not a frame id"):
        VKITTI2(root, lists=write_list(root / "lists", ["Scene01/clone/12"]))


def test_colour_of_another_version_is_named(root: Path) -> None:
    path = root / "Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png"
    colours = COLOURS[classes_of(0)]
    colours[2, 3] = 255, 100, 255  # GuardRail of vKITTI 1.3.1
    save(path, colours)
    message = r"classgt_00000\.png has the colour \(255, 100, 255\), .*1\.3\.1"
    with pytest.raises(ValueError, match=message):
        read(VKITTI2(root, lists="all"), 0, with_x=False)


@pytest.mark.parametrize(("size", "known"), [(OFFICIAL_SIZE, True), (SIZE, False)])
def test_official_camera_where_no_file_says(
    tmp_path: Path, size: tuple[int, int], known: bool
) -> None:
    write(tmp_path, size=size)
    for path in tmp_path.glob("*/*/intrinsic.txt"):
        path.unlink()
    intrinsics = read(VKITTI2(tmp_path, lists="all"), 0, with_x=False).intrinsics
    if known:
        fx, fy, cx, cy = OFFICIAL_CAMERA
        assert intrinsics is not None
        torch.testing.assert_close(intrinsics, torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]))
    else:
        assert intrinsics is None


def test_intrinsics_with_blank_lines_and_with_damage(root: Path) -> None:
    path = root / "Scene01/clone/intrinsic.txt"
    path.write_text("frame cameraID ...\n\n0 0 1 2 3 4\n\n")
    data = VKITTI2(root, lists="all")
    assert data.read(data.ids[0], with_x=False).intrinsics is not None
    assert (
        data.read(data.ids[1], with_x=False).intrinsics is None
    )  # a frame that the file leaves out
    path.write_text("0 0 1 2 3\n")
    with pytest.raises(ValueError, match=r"intrinsic\.txt: '0 0 1 2 3' is not"):
        read(VKITTI2(root, lists="all"), 0, with_x=False)


def test_reads_what_streets_writes(streets: Path) -> None:
    train, val = VKITTI2(streets), VKITTI2(streets, split="val")
    assert (len(train), len(val)) == (16, 8)
    assert sorted(train.ids + val.ids) == sorted(VKITTI2(streets, lists="all").ids)
    sample = train.read(train.ids[0], with_x=True)
    assert sample.image.shape == (3, 48, 96)
    assert sample.intrinsics is not None
    assert len(sample.target.unique()) > 3
    assert plain(sample.x[0]).nan_to_num(0).max() < 655.35
