"""A resume goes on with the same data and the run's own checkpoint, or says what differs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from lix.core.registry import merge
from lix.runs.recipe import Recipe
from lix.training.fit import fit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight frames, described by `lix.yaml` with lists."""
    home = tmp_path / "data"
    home.mkdir()
    for i in range(8):
        Image.effect_noise((64, 32), 40 + i).convert("RGB").save(home / f"{i}.png")
        Image.new("L", (64, 32), i % 2).save(home / f"{i}_label.png")
    for name, ids in (("train", "012345"), ("val", "67")):
        (home / f"{name}.txt").write_text("\n".join(ids))
    files = {"image": "[0-9].png", "label": "[0-9]_label.png"}
    described = {"classes": ["road", "car"], "files": files, "train": "train.txt", "val": "val.txt"}
    (home / "lix.yaml").write_text(yaml.safe_dump(described))
    return home


def recipe(root: Path, output: Path, epochs: int) -> Recipe:
    settings: dict[str, Any] = {
        "data": {"name": "folder", "size": [32, 64], "root": root},
        "optim": {"batch_size": 2},
        "training": {"epochs": epochs, "accelerator": "cpu"},
        "output": output,
    }
    return Recipe.model_validate(merge(settings, {}))


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    return fit(recipe(root, tmp_path / "run", 1))


def resumed(root: Path, run: Path) -> Path:
    """Go on for another epoch, as if the run had been interrupted."""
    (run / "result.json").unlink()
    return fit(recipe(root, run, 2), resume=True)


def swap_classes(root: Path) -> None:
    path = root / "lix.yaml"
    described = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(described | {"classes": ["car", "road"]}))


def cut_list(root: Path) -> None:
    (root / "train.txt").write_text("0\n1\n2")


def other_order(root: Path) -> None:
    (root / "train.txt").write_text("\n".join("543210"))


def other_label(root: Path) -> None:
    Image.effect_noise((64, 32), 2).point(lambda v: v % 2).save(root / "3_label.png")


CHANGES = {
    swap_classes: "train had the classes road, car and has car, road",
    cut_list: "train had 6 frames and has 3",
    other_order: "train has other frames or another order",
    other_label: "files of train have other sizes",
}


@pytest.mark.parametrize(("change", "words"), CHANGES.items())
def test_a_resume_says_what_differs_in_the_data(
    root: Path, run: Path, change: Any, words: str
) -> None:
    change(root)
    with pytest.raises(ValueError, match=words) as error:
        resumed(root, run)
    assert str(run) in str(error.value)


@pytest.mark.parametrize("name", ["last", "best"])
def test_a_checkpoint_of_another_run_is_refused(
    root: Path, run: Path, tmp_path: Path, name: str
) -> None:
    other = fit(recipe(root, tmp_path / "other", 1))
    shutil.copy(other / f"checkpoints/{name}.ckpt", run / f"checkpoints/{name}.ckpt")
    with pytest.raises(ValueError, match=f"{name}.ckpt was written by another run"):
        resumed(root, run)


def test_the_same_data_and_checkpoint_go_on(root: Path, run: Path) -> None:
    resumed(root, run)
    stored = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert stored["epoch"] == 1


def test_a_run_without_identity_goes_on(root: Path, run: Path) -> None:
    """As one of an older lix; it gets the id of its checkpoint."""
    before = (run / "identity.json").read_text()
    (run / "identity.json").unlink()
    resumed(root, run)
    assert (run / "identity.json").read_text() == before


@pytest.mark.parametrize("text", ["[1]", "[" * 100_000], ids=["a list", "deep"])
def test_a_damaged_identity_is_one_sentence(root: Path, run: Path, text: str) -> None:
    (run / "identity.json").write_text(text)
    with pytest.raises(ValueError, match=r"identity\.json is damaged; restore it"):
        resumed(root, run)
