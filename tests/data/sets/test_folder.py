"""The user's own images: pairing, units, labels, and every mistake as one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lix.data.modalities import Depth
from lix.data.sets.folder import Folder
from lix.deploy.image_files import read_image
from tests.data.frames import plain, read
from tests.data.sets.contract import Case, save
from tests.data.sets.own_folder import (
    LABELS,
    MILLIMETRES,
    SIZE,
    describe,
    described,
    write,
)

CASE = Case(write, train=3, val=2, images=3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


def test_reads_what_the_yaml_says(root: Path) -> None:
    train, val = Folder(root), Folder(root / "lix.yaml", split="val")
    assert (train.ids, val.ids) == (["00", "01", "02"], ["00", "01"])
    assert train.classes == ("road", "car", "other")
    assert (train.x, train.x_kind) == ((("depth", 1),), "depth")
    sample = train.read(train.ids[1], with_x=True)
    assert (sample.id, sample.intrinsics) == ("01", None)
    assert (sample.image == 1).all()
    assert sample.target.dtype == torch.int64
    assert np.array_equal(sample.target.numpy(), (LABELS + 1) % 3)
    assert isinstance(sample.x[0], Depth)
    np.testing.assert_allclose(plain(sample.x[0])[0].numpy(), (MILLIMETRES + 1) / 1000, rtol=1e-6)
    assert plain(train.read(train.ids[0], with_x=True).x[0])[0, 0, 0].isnan()  # 0 = not measured


def test_images_elsewhere_and_root_in_the_yaml(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root / "train", elsewhere / "train")
    shutil.rmtree(root / "train")
    assert len(Folder(root, images=elsewhere)) == 3
    assert len(Folder(describe(root, root="elsewhere"))) == 3


@pytest.mark.parametrize(
    ("images", "labels", "patterns", "ids"),
    [
        (["a/1.jpg", "b/1.jpg"], ["a/1.png", "b/1.png"], ("im/*/*.jpg", "la/*/*.png"), "a/1 b/1"),
        (["a/1.jpg", "2.jpg"], ["a/1.png", "2.png"], ("im/**/*.jpg", "la/**/*.png"), "2 a/1"),
        (["1.jpg", "2.png"], ["1.png", "2.png"], ("im/*.*", "la/*.png"), "1 2"),
        (["1.jpg", "2.png"], ["1.png", "2.png"], ("im/*", "la/*"), "1 2"),
        (["1_rgb.png", "2_rgb.png"], ["1_ids.png", "2_ids.png"],
         ("im/*_rgb.png", "la/*_ids.png"), "1 2"),
        (["x/1_im.png"], ["x/1_gt.png", "x/9_gt.png"], ("im/*/*_im.png", "la/*/*_gt.png"), "x/1"),
        (["f1.png", "f2.png"], ["g1.png", "g2.png"], ("im/f?.png", "la/g[0-9].png"), "1 2"),
        (["1.left.png"], ["1.png"], ("im/*.left.png", "la/*.png"), "1"),
    ],
)  # fmt: skip
def test_partners_share_what_the_wildcards_stand_for(
    tmp_path: Path, images: list[str], labels: list[str], patterns: tuple[str, str], ids: str
) -> None:
    for name in images:
        save(tmp_path / "im" / name, np.zeros((*SIZE, 3), np.uint8))
    for name in labels:
        save(tmp_path / "la" / name, LABELS)
    files = dict(zip(("image", "label"), patterns, strict=True))
    data = Folder(describe(tmp_path, x=None, train=files, val=files))
    assert data.ids == ids.split()
    assert (data.x, data.x_kind) == ((), None)
    for index in range(len(data)):
        data.read(data.ids[index], with_x=False)


def test_images_without_partner_are_counted(root: Path) -> None:
    (root / "train/labels/01.png").unlink()
    (root / "train/depth/02.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 images have no partner in .*labels.*, first 01;"):
        Folder(root)
    save(root / "train/labels/01.png", LABELS)
    with pytest.raises(ValueError, match=r"1 of 3 images have no partner in .*depth.*, first 02;"):
        read(Folder(root), 0, with_x=True)


def test_two_files_for_one_name(root: Path) -> None:
    save(root / "train" / "00.jpg", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=r"00\.jpg and .*00\.png both fit .* as '00'"):
        Folder(describe(root, train=described("train") | {"image": "train/*.*"}))


def test_ignored_values_and_labels_of_other_types(root: Path) -> None:
    path = root / "train/labels/00.png"
    describe(root, ignore=[7, 1000])
    save(path, np.array([[0, 1, 2, 7, 255, 1000]], np.uint16).repeat(4, 0))
    expected = [0, 1, 2, 255, 255, 255]
    assert read(Folder(root), 0, with_x=False).target[0].tolist() == expected
    save(path, LABELS > 0)  # one bit
    assert np.array_equal(read(Folder(root), 0, with_x=False).target.numpy(), LABELS > 0)
    painted = Image.fromarray(LABELS)
    painted.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])  # as VOC stores its indices
    painted.save(path)
    assert np.array_equal(read(Folder(root), 0, with_x=False).target.numpy(), LABELS)


@pytest.mark.parametrize("value", [3, 99, 254])
def test_label_out_of_range(root: Path, value: int) -> None:
    save(root / "train/labels/00.png", np.full(SIZE, value, np.uint8))
    with pytest.raises(ValueError, match=rf"00\.png has the label {value}, which is not a class; "):
        read(Folder(root), 0, with_x=False)


def test_negative_label(root: Path) -> None:
    labels = np.zeros(SIZE, np.int32)
    labels[0, 0] = -1
    files = described("train") | {"label": "train/labels/*.tiff"}
    for index in range(3):
        save(root / f"train/labels/{index:02d}.tiff", labels)
    with pytest.raises(ValueError, match="has the label -1"):
        read(Folder(describe(root, train=files)), 0, with_x=False)
    sample = read(Folder(describe(root, train=files, ignore=[-1])), 0, with_x=False)
    assert sample.target[0, 0] == 255


PALETTE = [[0, 0, 0], [128, 64, 128], [0, 0, 142]]


def test_labels_in_colours(root: Path) -> None:
    path = root / "train/labels/00.png"
    colours = np.array([*PALETTE, [9, 9, 9]], np.uint8)[np.arange(24).reshape(SIZE) % 4]
    save(path, colours)
    with pytest.raises(ValueError, match=r"00\.png does not hold class indices.*`palette`"):
        read(Folder(root), 0, with_x=False)
    with pytest.raises(ValueError, match=r"has the colour \(9, 9, 9\), .*`ignore` in the YAML"):
        read(Folder(describe(root, palette=PALETTE)), 0, with_x=False)
    data = Folder(describe(root, palette=PALETTE, ignore=[[9, 9, 9]]))
    assert data.read(data.ids[0], with_x=False).target[0].tolist() == [0, 1, 2, 255, 0, 1]
    assert data.read(data.ids[1], with_x=False).target.max() == 2  # indices are still indices
    assert data.palette == tuple(map(tuple, PALETTE))


@pytest.mark.parametrize(
    "changes",
    [
        {"palette": PALETTE, "ignore": [[0, 0, 0]]},
        {"palette": PALETTE, "ignore": [0]},
        {"palette": [[0, 0, 0], [9, 9, 9], [0, 0, 0]], "ignore": [[0, 0, 0]]},
    ],
)
@pytest.mark.parametrize("stored", ["colours", "values"])
def test_what_is_ignored_is_no_class(root: Path, changes: dict[str, Any], stored: str) -> None:
    colours = np.array(changes["palette"], np.uint8)
    save(root / "train/labels/00.png", colours[LABELS] if stored == "colours" else LABELS)
    target = read(Folder(describe(root, **changes)), 0).target.numpy()
    ignored = {0, 2} if changes["palette"][2] == [0, 0, 0] else {0}
    assert np.array_equal(target, np.where(np.isin(LABELS, [*ignored]), 255, LABELS))


def test_default_palette_tells_classes_apart(root: Path) -> None:
    data = Folder(describe(root, classes=[f"class {i}" for i in range(40)]))
    assert len(set(data.palette)) == 40


def test_intrinsics(root: Path) -> None:
    intrinsics = read(Folder(describe(root, intrinsics=[1, 2, 3, 4])), 0, with_x=False).intrinsics
    assert intrinsics is not None
    assert intrinsics.tolist() == [[1, 0, 3], [0, 2, 4], [0, 0, 1]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_viewers_turn_them(root: Path, orientation: int) -> None:
    """The picture and its labels fit, and prediction sees what training sees."""
    upright = np.zeros((*SIZE, 3), np.uint8)
    upright[:2, :3] = 250
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = root / "train/00.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    image = read(Folder(root), 0, with_x=True).image
    assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(read_image(path)))
    assert np.array_equal(image.permute(1, 2, 0).numpy(), upright)


def test_labels_that_do_not_fit_the_turned_image(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(root / "train/00.png", exif=exif)
    with pytest.raises(ValueError, match="label is 4x6 but the image is 6x4, turned as its EXIF"):
        read(Folder(root), 0, with_x=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clases": []}, r"Unknown entry 'clases'\. Did you mean 'classes'\? Choose from root"),
        ({"train": {"imag": "*.png"}}, "Unknown entry train 'imag'. Did you mean 'image'"),
        ({"train": described("train") | {"lable": "a"}}, "entry train 'lable'.*'label'"),
        ({"x": {"kind": "depth", "units": "mm"}}, "Unknown entry x 'units'. .*Choose from kind"),
        ({"x": {"kind": "depth", "unit": "px"}}, "x: depth is not measured in px; write m, cm, mm"),
        ({"x": {"kind": "depth", "range": [2, 1]}}, "range is two positive numbers, the smaller"),
        ({"x": {"kind": "normal", "range": [1, 2]}}, "normal has no range; leave it out"),
        ({"x": {"kind": "deep"}}, r"x\.kind: .*'depth'.*, got 'deep'\."),
        ({"x": {"kind": "depth", "scale": "mm"}}, r"x\.scale: .*got 'mm'"),
        ({"x": None}, "describe it under `x`"),
        ({"classes": ["one"]}, "classes: .*at least 2"),
        ({"classes": [f"{i}" for i in range(255)]}, "classes: .*at most 254"),
        ({"palette": [[0, 0, 0]]}, "there are 3 classes but 1 colours"),
        ({"palette": [[0, 0, 256]] * 3}, r"palette\.0\.2: .*less than or equal to 255, got 256"),
        ({"palette": [[0, 0, 0], [9, 9, 9], [9, 9, 9]]}, "car and other have the same colour"),
        ({"classes": {"7": "road", 7: "car"}}, "the value 7 is written twice; give it one name"),
        ({"classes": ["road", None, None]}, "a class has no name; write .* such as ~ in quotes"),
        ({"classes": ["road", 1, 2]}, r"classes\.1: a name is text, got 1; write it in quotes"),
        ({"intrinsics": [1, 2, 3]}, "intrinsics"),
        ({"train": described("train") | {"image": "/data/*.png"}}, "relative to `root`, got"),
        ({"train": described("train") | {"image": "train/*.bmp"}}, "No file fits .*bmp; correct"),
        ({"root": "nowhere"}, "nowhere is missing; correct `root` in the YAML"),
    ],
)  # fmt: skip
def test_wrong_yaml_is_one_sentence(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        Folder(describe(root, **changes))
    assert "\n" not in str(error.value)
    assert "Value error" not in str(error.value)


@pytest.mark.parametrize("content", ["a: [", "", "- a", "text", "\xff".encode("latin-1")])
def test_no_yaml(root: Path, content: str | bytes) -> None:
    path = root / "lix.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"lix\.yaml") as error:
        Folder(root)
    assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"lix\.yaml is missing; describe"):
        Folder(root)


def test_a_table_says_the_conditions_of_frames(root: Path) -> None:
    describe(root, conditions="weather.csv")
    table = root / "weather.csv"
    table.write_text("\ufeffframe, weather, time\n00,fog,day\ntrain/01.png,sun,\n77,rain,day\n")
    data = Folder(root)
    assert [dict(data.conditions(frame)) for frame in data.ids] == [
        {"weather": "fog", "time": "day"},
        {"weather": "sun"},
        {},
    ]
    table.write_text("image,weather\n00,fog\n")
    with pytest.raises(ValueError, match=r"the columns image, weather; begin it with a line such"):
        Folder(root).conditions("00")
    table.unlink()
    with pytest.raises(ValueError, match=r"weather\.csv is missing"):
        Folder(root).conditions("00")
