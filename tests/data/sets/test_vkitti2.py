"""Virtual KITTI 2: layouts, lists, units, colours, and what is wrong with users' folders."""

from __future__ import annotations

import builtins
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.data.modalities import Depth
from lix.data.sets.vkitti2 import (
    CLASSES,
    OFFICIAL_CAMERA,
    OFFICIAL_SIZE,
    SPLIT_HASHES,
    VKITTI2,
    paper_list,
)
from tests.data.frames import read

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


def save(path: Path, array: NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "vkitti2")


def plain(x: Tensor | None) -> Tensor:
    assert x is not None
    return x.as_subclass(Tensor)


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


def test_without_x_nothing_of_x_is_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's promise: a student needs no X."""
    opened: list[str] = []
    really_open = builtins.open

    def spy(file: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(str(file))
        return really_open(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", spy)
    data = VKITTI2(root, lists="all")
    with_depth = [data.read(data.ids[i], with_x=False) for i in range(len(data))]
    assert len([name for name in opened if name.endswith(".jpg")]) == len(data)
    assert not [name for name in opened if "depth" in name]
    assert all(sample.x == () for sample in with_depth)
    data.read(data.ids[0], with_x=True)
    assert [name for name in opened if "depth" in name]  # the spy does see depth

    for folder in root.glob("*/*/frames/depth"):
        shutil.rmtree(folder)
    data = VKITTI2(root, lists="all")
    for index, before in enumerate(with_depth):
        sample = data.read(data.ids[index], with_x=False)
        assert torch.equal(sample.image, before.image)
        assert torch.equal(sample.target, before.target)


def test_missing_images_and_labels_stop_the_opening(root: Path) -> None:
    (root / "Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 rgb files are missing, first .*Camera_0.rgb_0"):
        VKITTI2(root, lists=str(write_list(root, IDS[:3])))
    shutil.rmtree(root / "Scene02/clone/frames/classSegmentation")
    with pytest.raises(ValueError, match=r"1 of 3 classSegmentation .*classgt_00007.*unpack"):
        VKITTI2(root, lists="all")
    assert VKITTI2(root, lists="all", scenes=["Scene01"]).ids == IDS[1:3]


def test_missing_depth_stops_the_first_reading_with_x(root: Path) -> None:
    (root / "Scene02/clone/frames/depth/Camera_0/depth_00007.png").unlink()
    data = VKITTI2(root, lists="all")
    with pytest.raises(ValueError, match=r"1 of 4 depth files are missing, .*depth_00007\.png"):
        data.read(data.ids[0], with_x=True)


def write_list(root: Path, ids: list[str]) -> Path:
    folder = root / "lists"
    folder.mkdir(exist_ok=True)
    (folder / "train.txt").write_text("\r\n".join(ids))
    return folder


def test_own_lists_come_first(root: Path) -> None:
    (root / "train.txt").write_text(IDS[2] + "\n" + IDS[0] + "\n")
    assert VKITTI2(root).ids == [IDS[2], IDS[0]]
    assert VKITTI2(root, lists=str(write_list(root, IDS[1:]))).ids == IDS[1:]
    with pytest.raises(FileNotFoundError, match=r"val\.txt is missing; .* lists=all"):
        VKITTI2(root, split="val", lists=str(root / "lists"))


def test_paper_list_is_the_default(root: Path) -> None:
    with pytest.raises(ValueError, match="500 of 500 rgb files are missing"):
        VKITTI2(root)
    with pytest.raises(ValueError, match="200 of 200 rgb files are missing"):
        VKITTI2(root, split="val", lists="paper")


def test_paper_lists_are_disjoint_and_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    train, val = paper_list("train").split(), paper_list("val").split()
    assert (len(set(train)), len(set(val))) == (500, 200)
    assert not set(train) & set(val)
    monkeypatch.setitem(SPLIT_HASHES, "val", "0" * 64)
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
        ({"split": "test"}, "Unknown split .* Choose from train, val"),
    ],
)
def test_unknown_filter_names_the_choices(root: Path, kept: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VKITTI2(root, lists="all", **kept)


def test_wrong_roots_and_lists(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"set data\.root"):
        VKITTI2(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no frame for split='train' and lists='all'"):
        VKITTI2(tmp_path / "empty", lists="all")
    with pytest.raises(ValueError, match=r"train\.txt: 'Scene01/clone/12' is no frame id"):
        VKITTI2(root, lists=str(write_list(root, ["Scene01/clone/12"])))


def test_colour_of_another_version_is_named(root: Path) -> None:
    path = root / "Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png"
    colours = COLOURS[classes_of(0)]
    colours[2, 3] = 255, 100, 255  # GuardRail of vKITTI 1.3.1
    save(path, colours)
    message = r"classgt_00000\.png has the colour \(255, 100, 255\), .*1\.3\.1"
    with pytest.raises(ValueError, match=message):
        read(VKITTI2(root, lists="all"), 0, with_x=False)


@pytest.mark.parametrize(
    "wrong",
    [np.ones(SIZE, np.uint8), np.ones((*SIZE, 3), np.uint8), np.ones(SIZE, bool)],
    ids=["8 bits", "colour", "1 bit"],
)
def test_depth_that_lost_its_16_bits(root: Path, wrong: NDArray[Any]) -> None:
    save(root / "Scene01/clone/frames/depth/Camera_0/depth_00000.png", wrong)
    data = VKITTI2(root, lists="all")
    assert data.read(data.ids[0], with_x=False).x == ()
    with pytest.raises(ValueError, match=r"depth_00000\.png holds .*uint8|bool"):
        data.read(data.ids[0], with_x=True)


@pytest.mark.parametrize(("part", "with_x"), [("classSegmentation", False), ("depth", True)])
def test_parts_of_different_size(root: Path, part: str, with_x: bool) -> None:
    write(root / "half", size=(4, 6))
    folder = Path("Scene01/clone/frames", part)
    shutil.copytree(root / "half" / folder, root / folder, dirs_exist_ok=True)
    with pytest.raises(ValueError, match=r"rgb_00000\.jpg: the .* is 4x6 but the image is 8x12"):
        read(VKITTI2(root, lists="all"), 0, with_x=with_x)


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


def test_travels_to_worker_processes(root: Path) -> None:
    data = VKITTI2(root, lists="all")
    before = data.read(data.ids[0], with_x=True)
    packed = pickle.dumps(data)
    assert len(packed) < 100_000
    after = read(pickle.loads(packed), 0, with_x=True)
    assert torch.equal(after.image, before.image)
    assert torch.equal(after.target, before.target)


def test_reads_what_streets_writes(streets: Path) -> None:
    train, val = VKITTI2(streets), VKITTI2(streets, split="val")
    assert (len(train), len(val)) == (16, 8)
    assert sorted(train.ids + val.ids) == sorted(VKITTI2(streets, lists="all").ids)
    sample = train.read(train.ids[0], with_x=True)
    assert sample.image.shape == (3, 48, 96)
    assert sample.intrinsics is not None
    assert len(sample.target.unique()) > 3
    assert plain(sample.x[0]).nan_to_num(0).max() < 655.35
