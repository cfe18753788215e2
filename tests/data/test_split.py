"""Splits by hash: the same everywhere, sequences whole; and the command that writes them."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lix.core.registry import entries
from lix.data.sets.folder import Folder
from lix.data.sets.vkitti2 import VKITTI2
from lix.data.splits import grouping, hashed, read_list, sequence, split_names
from lix.streets import StreetPlan, write_streets
from lix.tools.split import frames_of, how_to_use, write_lists
from tests.cli.test_cli import lix


@pytest.mark.parametrize(
    ("name", "drive"),
    [
        ("0001TP_006690", "0001TP"),
        ("0006R0_f00930", "0006R0_f"),
        ("day/000123", "day"),
        ("day/front/12", "day/front"),
        ("aachen_000000_000019", "aachen_000000"),
        ("000123", ""),
        ("garden", "garden"),
    ],
)
def test_sequence(name: str, drive: str) -> None:
    assert sequence(name) == drive


groups = st.lists(st.integers(1, 40), min_size=2, max_size=12)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(groups, st.floats(0.02, 0.98), st.text(max_size=3))
def test_sequences_stay_whole_and_every_frame_is_on_one_side(
    sizes: list[int], share: float, salt: str
) -> None:
    names = [f"drive{chr(97 + i)}_{n:03d}" for i, size in enumerate(sizes) for n in range(size)]
    train, val = split_names(names, share, salt=salt)
    assert sorted(train + val) == sorted(names)
    assert train
    assert val
    assert not {sequence(n) for n in train} & {sequence(n) for n in val}
    # Of what could still be moved none would bring validation nearer to its share.
    assert len(val) <= max(share * len(names) + max(sizes) / 2, min(sizes))
    assert split_names(names[::-1] + names, share, salt=salt) == (train, val)


def test_single_frames_meet_the_share() -> None:
    names = [f"{i:04d}" for i in range(1000)]
    train, val = split_names(names, 0.2)
    assert (len(train), len(val)) == (800, 200)
    assert val != split_names(names, 0.2, salt="b")[1]
    assert len({*split_names([*names, "1000"], 0.2)[1]} ^ {*val}) <= 2


def test_a_long_drive_does_not_swallow_the_split() -> None:
    names = [f"long_{i}" for i in range(900)] + [f"a_{i}" for i in range(60)] + ["b_1"] * 1
    for salt in "abcdef":
        assert len(split_names(names, 0.1, salt=salt)[1]) in (1, 60, 61)


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_names(["a", "b"], share)


def test_too_few_frames() -> None:
    with pytest.raises(ValueError, match="at least two frames"):
        split_names(["a", "a"], 0.5)


def test_hashed_knows_no_order() -> None:
    names = [str(i) for i in range(50)]
    assert hashed(names) == hashed(names[::-1]) != names


def test_lists_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("my frame 1\r\n\n  b\n")
    assert read_list(path, ["b", "my frame 1"]) == ["my frame 1", "b"]
    with pytest.raises(ValueError, match="lists 'my frame 1', which is not a frame here"):
        read_list(path, ["b"])
    path.write_text("\n")
    with pytest.raises(ValueError, match="lists no frame"):
        read_list(path, ["b"])


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\u2028b", " a", "a\t", '"a"', "a\udcff"])
def test_a_name_that_is_no_line_is_not_listed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a line of a list; rename its files") as error:
        write_lists(tmp_path / "lists", ["c", name], ["d"])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "lists").exists()


@pytest.mark.parametrize("name", ["#a", "a b", "a,b;c", "it's", "[/x]", "日", "a/b"])
def test_a_name_that_is_a_line_comes_back(tmp_path: Path, name: str) -> None:
    write_lists(tmp_path, [name], ["d"])
    assert read_list(tmp_path / "train.txt", [name, "d", "a"]) == [name]


def test_other_lists_are_not_overwritten(tmp_path: Path) -> None:
    write_lists(tmp_path / "lists", ["a"], ["b"])
    write_lists(tmp_path / "lists", ["a"], ["b"])
    with pytest.raises(ValueError, match=r"val.txt holds another list; .* --force"):
        write_lists(tmp_path / "lists", ["a"], ["c"])
    assert (tmp_path / "lists" / "val.txt").read_text() == "b\n"
    write_lists(tmp_path / "lists", ["c"], ["b"], force=True)
    assert (tmp_path / "lists" / "train.txt").read_text() == "c\n"
    assert len(list((tmp_path / "lists").iterdir())) == 2


NAMES = [f"drive{d}_{i:02d}" for d in "abcde" for i in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images with patterns for all frames, whose lists do not exist yet."""
    root = tmp_path / "mine"
    for part, array in {
        "image": np.zeros((8, 8, 3), np.uint8),
        "label": np.zeros((8, 8), np.uint8),
    }.items():
        (root / part).mkdir(parents=True)
        for name in NAMES:
            Image.fromarray(array).save(root / part / f"{name}.png")
    return described(root)


def described(root: Path, **changes: Any) -> Path:
    entries = {
        "classes": ["road", "car"],
        "files": {"image": "image/*.png", "label": "label/*.png"},
        "train": "lists/train.txt",
        "val": "lists/val.txt",
    } | changes
    (root / "lix.yaml").write_text(yaml.safe_dump(entries))
    return root


def test_splits_a_folder_whose_lists_do_not_exist(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "label" / "drivea_00.png").unlink()
    assert lix("data", "split", root, root / "lists", "--val-share", "0.4") == 0
    printed = capsys.readouterr().out
    train, val = Folder(root), Folder(root, split="val")
    assert sorted(train.ids + val.ids) == NAMES[1:]  # frames without labels are left out
    assert not {name[:6] for name in train.ids} & {name[:6] for name in val.ids}
    assert f"val.txt: {len(val)} frames ({len(val) / 19:.0%}) of 2 sequence(s)" in printed
    assert "names them already" in printed
    assert lix("data", "split", root / "lix.yaml", root / "lists", "--val-share", "0.4") == 0
    assert lix("data", "split", root, root / "lists", "--val-share", "0.4", "--salt", "x") == 1
    assert "--force" in capsys.readouterr().err
    arguments = ("--val-share", "0.4", "--salt", "x", "--force")
    assert lix("data", "split", root, root / "lists", *arguments) == 0
    assert Folder(root, split="val").ids != val.ids


def test_says_what_to_write_into_the_yaml(root: Path) -> None:
    described(root, train="", val="")
    advice = how_to_use("folder", root, root.parent / "lists")
    assert "`train: ../lists/train.txt` and `val: ../lists/val.txt` next to `files`" in advice
    assert str(root / "lix.yaml") in advice


def test_patterns_of_one_split_cannot_be_split(root: Path) -> None:
    own = {"image": "image/a*.png", "label": "label/*.png"}
    described(root, files=own, train={"image": "image/b*.png"}, val="")
    with pytest.raises(ValueError, match="write patterns that fit all frames once"):
        frames_of("folder", root, {})
    described(root, files={"image": "image/*.jpg", "label": "label/*.png"})
    with pytest.raises(ValueError, match="No file fits"):
        frames_of("folder", root, {})


def test_images_elsewhere(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "there")
    shutil.rmtree(root / "image")
    assert frames_of("folder", root, {"images": str(tmp_path / "there")})[0] == NAMES


def test_one_sequence_is_split_frame_by_frame(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in [*root.rglob("*.png")]:
        drive, number = path.stem.removeprefix("drive").split("_")
        path.rename(path.with_name(f"{ord(drive)}{number}.png"))
    assert lix("data", "split", root, root / "lists") == 0
    assert "neighbouring frames may end up in both splits" in capsys.readouterr().out
    assert len(Folder(root, split="val")) == 4


def test_splits_all_frames_of_a_data_set(
    streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lix("data", "split", streets, tmp_path, "--options.cameras", "[0]") == 0
    printed = capsys.readouterr().out
    assert f"train with --data.options.lists {tmp_path}" in printed
    train, val = (VKITTI2(streets, split=part, lists=str(tmp_path)) for part in ("train", "val"))
    assert sorted(train.ids + val.ids) == VKITTI2(streets, lists="all").ids


def test_a_data_set_without_lists_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def load(self) -> Any:
            return lambda root, *, split: None

    monkeypatch.setattr("lix.tools.split.find", lambda *_: Entry())
    with pytest.raises(ValueError, match="takes no lists"):
        frames_of("other", tmp_path, {})


def test_all_other_sets_take_lists() -> None:
    for entry in entries("datasets").values():
        if entry.name != "folder":
            assert "lists" in inspect.signature(entry.load()).parameters, entry.name


def both_cameras(root: Path) -> Path:
    """Streets of one scene, seen by two cameras."""
    write_streets(root, StreetPlan(images=8, val_images=2, size=(32, 64)))
    return root


@pytest.mark.slow
def test_the_cameras_of_a_street_stay_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, lists = both_cameras(tmp_path / "st"), tmp_path / "lists"
    assert lix("data", "split", root, lists, "--val-share", "0.25") == 0
    train, val = (VKITTI2(root, split=part, lists=lists) for part in ("train", "val"))
    assert (len(train), len(val)) == (12, 4)
    assert not {*map(train.instant, train.ids)} & {*map(val.instant, val.ids)}
    capsys.readouterr()
    check = ("data", "check", root, "--output", tmp_path / "out", "--options.lists", lists)
    assert lix(*check) == 0
    assert "instant" not in capsys.readouterr().out
    (lists / "train.txt").write_text("".join(f"{n}\n" for n in val.ids if "Camera_0" in n))
    (lists / "val.txt").write_text("".join(f"{n}\n" for n in val.ids if "Camera_1" in n))
    assert lix(*check) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "show the same 2 of the 2 instants in val (Scene01/" in printed
    assert "`lix data split`" in printed


def test_what_stays_together() -> None:
    names = [f"Scene01/{v}/Camera_{c}/{i:05d}" for v in "ab" for c in (0, 1) for i in range(3)]
    data = VKITTI2.__new__(VKITTI2)
    assert grouping(names, data.sequence, data.instant) == data.instant
    assert {data.instant(name) for name in names} == {f"Scene01/{i:05d}" for i in range(3)}
    two = [*names, "Scene02/a/Camera_0/00000"]
    assert grouping(two, data.sequence, data.instant) == data.sequence
    few = names[:3]  # which the instants do not join
    assert grouping(few, data.sequence, data.instant) == data.sequence
