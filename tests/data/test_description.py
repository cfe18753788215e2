"""What the YAML of a folder can say: lists, label values, units, several X."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.data import build_dataset
from lix.data.modalities import Channels, Depth, Disparity
from lix.data.sets.folder import Folder
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.tools.split import frames_of
from tests.data.frames import read

SIZE = (4, 6)
NAMES = ("drive1_00", "drive1_01", "drive2_00")
MILLIMETRES = np.arange(24, dtype=np.uint16).reshape(SIZE) * 500
THERMAL = np.arange(24, dtype=np.uint8).reshape(SIZE)
FILES = {"image": "rgb/*.jpg", "label": "ids/*.png", "x": ["depth/*.png", "heat/*.png"]}
KINDS = [{"kind": "depth", "unit": "mm"}, {"kind": "channels", "scale": "1/255"}]


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    labels = np.array([7, 26, 27, 0, 255, 26], np.uint8)
    for name in NAMES:
        save(tmp_path / f"rgb/{name}.jpg", np.full((*SIZE, 3), 90, np.uint8))
        save(tmp_path / f"ids/{name}.png", np.tile(labels, (4, 1)))
        save(tmp_path / f"depth/{name}.png", MILLIMETRES)
        save(tmp_path / f"heat/{name}.png", THERMAL)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.txt").write_text("drive1_01\nrgb/drive1_00.jpg\n\n")
    (tmp_path / "lists/val.txt").write_text("drive2_00")
    return tmp_path


def describe(root: Path, **changes: Any) -> Path:
    entries = {
        "classes": {7: "road", 26: "vehicle", 27: "vehicle"},
        "ignore": [0],
        "x": KINDS,
        "files": FILES,
        "train": "lists/train.txt",
        "val": "lists/val.txt",
    } | changes
    kept = {key: value for key, value in entries.items() if value is not None}
    (root / "lix.yaml").write_text(yaml.safe_dump(kept))
    return root


def plain(x: Tensor) -> Tensor:
    return x.as_subclass(Tensor)


def test_lists_name_frames_or_images_in_their_order(root: Path) -> None:
    assert Folder(describe(root)).ids == ["drive1_01", "drive1_00"]
    assert Folder(root, split="val").ids == ["drive2_00"]
    own = {"val": {"image": "rgb/drive2*.jpg", "label": "ids/drive2*.png"}, "files": None}
    with pytest.raises(ValueError, match=r"train is a group of entries"):
        Folder(describe(root, **own))
    assert Folder(describe(root, val={"list": "lists/val.txt"}), split="val").ids == ["drive2_00"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("drive9_00", r"lists 'drive9_00', but .*rgb/\*\.jpg has no such frame"),
        ("", "lists no frame"),
        (None, r"train\.txt is missing; write it with `lix data split`"),
    ],
)
def test_wrong_lists_are_one_sentence(root: Path, content: str | None, message: str) -> None:
    path = root / "lists/train.txt"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        Folder(describe(root))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffdrive1_01\r\ndrive1_00\r\n",
        "# made by a tool\nrgb/drive1_01.jpg ids/drive1_01.png\n\nrgb/drive1_00.jpg\tx\n",
        "rgb/drive1_01.jpg,ids/drive1_01.png\nrgb/drive1_00.jpg,ids/drive1_00.png",
        "ROOT/rgb/drive1_01.jpg\nROOT/rgb/drive1_00.jpg",
        (
            "/home/other/data/rgb/drive1_01.jpg /home/other/data/ids/drive1_01.png\n"
            "C:\\data\\rgb\\drive1_00.jpg"
        ),
        "/rgb/drive1_01.jpg\n'rgb/drive1_00'",
        "./rgb/drive1_01.jpg\n./rgb/drive1_00.jpg",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lists_of_other_tools(root: Path, content: str, encoding: str) -> None:
    content = content.replace("ROOT", str(root.resolve()))
    if encoding == "utf-16":
        content = content.removeprefix("\ufeff")
    (root / "lists/train.txt").write_bytes(content.encode(encoding))
    assert Folder(describe(root)).ids == ["drive1_01", "drive1_00"]


@pytest.mark.parametrize(
    "again", ["drive1_01", "rgb/drive1_01.jpg", "/home/other/rgb/drive1_01.jpg x"]
)
def test_a_frame_listed_twice_is_one_sentence(root: Path, again: str) -> None:
    (root / "lists/train.txt").write_text(f"drive1_01\n\n{again}\n")
    with pytest.raises(ValueError, match="lists 'drive1_01' twice, in lines 1 and 3; remove one"):
        Folder(describe(root))


def test_an_absolute_path_of_another_set_is_not_a_frame(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other/rgb/drive1_01.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes((root / "rgb/drive1_01.jpg").read_bytes())
    (root / "lists/train.txt").write_text(str(other))
    with pytest.raises(ValueError, match="has no such frame"):
        Folder(describe(root))


def test_label_values_have_names_and_several_may_share_one(root: Path) -> None:
    data = Folder(describe(root))
    assert data.classes == ("road", "vehicle")
    assert data.read(data.ids[0], with_x=False).target[0].tolist() == [0, 1, 1, 255, 255, 1]
    assert Folder(describe(root, ignore=0)).description.ignore == (0,)
    with pytest.raises(ValueError, match=r"has the label 0, which is not a class; "):
        read(Folder(describe(root, ignore=[])), 0, with_x=False)
    with pytest.raises(ValueError, match="to merge values write `value: name`"):
        Folder(describe(root, classes=["road", "road", "car"]))


def test_several_x_with_units_and_fractions(root: Path) -> None:
    data = pickle.loads(pickle.dumps(Folder(describe(root))))
    assert data.x == (("depth", 1), ("channels", 1))
    assert data.x_kind == "depth+channels"
    depth, heat = data.read(data.ids[0], with_x=True).x
    assert isinstance(depth, Depth)
    assert isinstance(heat, Channels)
    metres = plain(depth)[0].nan_to_num(0)
    np.testing.assert_allclose(metres.numpy(), MILLIMETRES / 1000, rtol=1e-6)
    np.testing.assert_allclose(plain(heat)[0].numpy(), THERMAL / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": KINDS[:1]}, "train names 2 pattern.* of X, but `x` describes 1"),
        ({"x": [{"kind": "disparity", "unit": "mm"}, KINDS[1]]}, "not measured in mm; write px"),
        ({"x": [KINDS[0], {"kind": "channels", "scale": "1/x"}]}, r"x\.1\.scale"),
        ({"files": FILES | {"imag": "a"}}, "Unknown entry train 'imag'.*'image'"),
        ({"files": {"image": "rgb/*.jpg"}}, r"the entry `train\.label` is missing"),
        ({"clases": {}, "classes": None}, "Unknown entry 'clases'. Did you mean 'classes'"),
        ({"classes": {"road": 0, "car": 1}}, "a label value is a number; write `value: name`"),
        ({"x": "depth"}, "x is a group of entries, got 'depth'"),
        ({"files": FILES | {"image": "rgb/**.jpg"}}, r"rgb/\*\*\.jpg is not a pattern"),
    ],
)
def test_wrong_entries_are_one_sentence(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        Folder(describe(root, **changes))
    assert "\n" not in str(error.value)


def test_x_of_other_folders(root: Path) -> None:
    made = root / "made"
    for name in NAMES:
        save(made / f"rgb/{name}.png", MILLIMETRES)
    (made / "x.yaml").write_text("{kind: disparity, scale: 1/256, dtype: uint16}")
    data = build_dataset("folder", describe(root), x=["own", str(made)])
    assert data.x_kind == "depth+channels+disparity"
    disparity = data.read(data.ids[0], with_x=True).x[2]
    assert isinstance(disparity, Disparity)
    assert torch.equal(
        plain(disparity)[0].nan_to_num(0), torch.from_numpy(MILLIMETRES.astype(np.float32) / 256)
    )
    (made / "rgb/drive1_00.png").unlink()
    single = build_dataset("folder", root, x=str(made))
    assert single.read(single.ids[0], with_x=False).x == ()
    with pytest.raises(ValueError, match=r"1 of 2 disparity files are missing.*lix data depth"):
        single.read(single.ids[0], with_x=True)
    nothing = build_dataset("folder", root, x=str(root / "nowhere"))
    assert nothing.read(nothing.ids[0], with_x=False).x == ()
    with pytest.raises(
        ValueError, match=r"The folder of X .*nowhere is missing; correct data\.options\.x"
    ):
        nothing.read(nothing.ids[0], with_x=True)


def test_recipes_keep_absolute_paths_of_options(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    data = Data(name="folder", root="lix.yaml", options={"x": ["own", "made"], "images": "."})
    kept = Recipe(data=data, output="out").absolute().data.options
    assert kept == {"x": ["own", str(root / "made")], "images": str(root)}
    lists = Data(name="vkitti2", options={"lists": "paper"}, train={"lists": "mine"})
    placed = Recipe(data=lists).absolute().data
    assert placed.options == {"lists": "paper"}
    assert placed.train == {"lists": str(root / "mine")}


UNLABELLED = {"classes": None, "ignore": None, "files": None, "train": None, "val": None}


@pytest.mark.parametrize(
    "entries",
    [
        {"train": {"image": "rgb/*.jpg", "x": FILES["x"]}},
        {"files": {"image": "rgb/*.jpg", "x": FILES["x"]}},
    ],
    ids=["train", "files"],
)
def test_images_without_labels_need_neither_labels_nor_classes(
    root: Path, entries: dict[str, Any]
) -> None:
    describe(root, **UNLABELLED | entries)
    for split in ("train", "val"):
        data = build_dataset("folder", root, False, split=split)
        assert data.ids == sorted(NAMES)
        assert data.classes == ()
        assert len(data.read(NAMES[0], with_x=True).x) == 2
    with pytest.raises(ValueError, match=r"the entry `(classes|val|train\.label)` is missing"):
        build_dataset("folder", root)


def test_images_without_labels_may_have_a_list(root: Path) -> None:
    entries = {"train": {"image": "rgb/*.jpg", "list": "lists/train.txt"}}
    describe(root, x=None, **UNLABELLED | entries)
    assert build_dataset("folder", root, False).ids == ["drive1_01", "drive1_00"]


def test_a_third_split_is_a_list_or_patterns(root: Path) -> None:
    (root / "lists/test.txt").write_text("drive1_01")
    data = Folder(describe(root, test="lists/test.txt"), split="test")
    assert data.ids == ["drive1_01"]
    assert Folder(describe(root, test={"image": "rgb/*.jpg"}), split="test").ids
    with pytest.raises(ValueError, match=r"no test split; write `test: lists/test\.txt`"):
        Folder(describe(root), split="test")
    with pytest.raises(ValueError, match=r"test names 1 pattern\(s\) of X"):
        Folder(describe(root, test={"x": "depth/*.png"}))
    apart = {part: {"image": "rgb/*.jpg", "label": "ids/*.png"} for part in ("train", "val")}
    with pytest.raises(ValueError, match=r"the entry `test\.label` is missing"):
        Folder(describe(root, files=None, **apart, test={"image": "rgb/*.jpg"}))


def test_frames_of_the_third_split_are_left_out_of_new_lists(root: Path) -> None:
    (root / "lists/test.txt").write_text("drive1_01")
    described = describe(root, test="lists/test.txt")
    assert frames_of("folder", described, {})[0] == ["drive1_00", "drive2_00"]


def test_classes_that_are_not_scored_are_named(root: Path) -> None:
    plain = Folder(describe(root))
    data = Folder(describe(root, not_scored="vehicle"))
    assert (plain.left_out, data.not_scored, data.left_out) == ((), ("vehicle",), (1,))
    assert data.fingerprint() == plain.fingerprint(), "labels and caches stay"
    with pytest.raises(ValueError, match=r"not_scored: Unknown class 'vehicl'.*'vehicle'"):
        Folder(describe(root, not_scored=["vehicl"]))
    with pytest.raises(ValueError, match="every class is under `not_scored`"):
        Folder(describe(root, not_scored=["vehicle", "road"]))
