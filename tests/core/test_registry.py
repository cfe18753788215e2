"""Code of the user's own, named as `module:Name`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from lix.core.registry import Entry, Kind
from lix.data import build_dataset
from lix.methods import build_method
from tests.data.frames import read
from tests.data.sets.contract import save, write_list

CODE = '''
from lix.data.labels import IdLabels
from lix.data.dataset import SegDataset
from lix.data.sets.folder import Folder
from lix.methods.kd import KD

class MyKD(KD):
    """KD with another default."""

class MySet(Folder):
    """A folder."""

class Bare(SegDataset):
    """The smallest loader."""
    classes, palette = ("road", "car"), ((128, 64, 128), (0, 0, 142))
    labels = IdLabels({0: 0, 1: 1}, "labels are 0 and 1")

    def frames(self, split):
        return self.part(sorted(p.stem for p in self.root.glob("im/*.png")), split, 0.5)

    def image_path(self, frame):
        return self.root / "im" / f"{frame}.png"

    def label_path(self, frame):
        return self.root / "ids" / f"{frame}.png"

class Other:
    """Neither."""
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_code.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    os.environ["LIX_ALLOW_CODE"] = "1"


def test_methods_are_built_with_checked_options() -> None:
    assert build_method("own_code:MyKD", num_classes=3, temperature="4").temperature == 4.0
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        build_method("own_code:MyKD", num_classes=3, temperatur=4)


def test_data_sets_are_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lix\.yaml is missing"):
        build_dataset("own_code:MySet", tmp_path / "lix.yaml")


def test_a_bare_loader_has_splits_lists_and_sentences(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is missing; set data\.root"):
        build_dataset("own_code:Bare", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="No image fits"):
        build_dataset("own_code:Bare", tmp_path)
    for name in ("a1", "b1"):
        save(tmp_path / f"im/{name}.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(ValueError, match=r"1 of 1 label files are missing, .*; restore the labels"):
        build_dataset("own_code:Bare", tmp_path)
    assert len(build_dataset("own_code:Bare", tmp_path, False)) == 2
    for name in ("a1", "b1"):
        save(tmp_path / f"ids/{name}.png", np.ones((4, 6), np.uint8))
    train, val = (build_dataset("own_code:Bare", tmp_path, split=s) for s in ("train", "val"))
    assert sorted(train.ids + val.ids) == ["a1", "b1"]
    assert (read(train).target == 1).all()
    lists = write_list(tmp_path / "lists", ["b1", "a1"])
    assert build_dataset("own_code:Bare", tmp_path, lists=lists).ids == ["b1", "a1"]


def test_what_is_not_allowed_or_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="is not a subclass of Method"):
        build_method("own_code:Other")
    with pytest.raises(ValueError, match="cannot be imported"):
        build_method("own_code:Missing")
    del os.environ["LIX_ALLOW_CODE"]
    with pytest.raises(ValueError, match="--allow-code"):
        build_method("own_code:MyKD")


@pytest.mark.parametrize("code", ["", "class A(KD): ...\nclass B(KD): ...\nclass _C(KD): ..."])
def test_a_file_without_exactly_one_public_class_is_named(tmp_path: Path, code: str) -> None:
    name = "two_classes" if code else "no_class"
    (tmp_path / "two_or_none").mkdir()
    file = tmp_path / "two_or_none" / f"{name}.py"
    file.write_text(f"from lix.methods.kd import KD\n{code}\n")
    kind = Kind("method", "two_or_none", "lix.methods.parts.base:Method")
    message = rf"{file} holds {'A, B' if code else 'nothing'} where one public class .* Method"
    with pytest.raises(TypeError, match=message):
        Entry(kind, name).load()
