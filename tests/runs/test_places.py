"""Recipes and what they name are where a user expects them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.runs import places
from lix.runs.recipe import Recipe, read_recipe
from lix.study.definition import Study

OWN = Path("recipes/own.yaml")


@pytest.mark.parametrize("place", range(2), ids=["installed", "clone"])
def test_recipes_are_there_in_an_empty_folder(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [tmp_path / "package", tmp_path / "clone"]
    monkeypatch.setattr(places, "HOMES", homes)
    monkeypatch.chdir(tmp_path)
    assert places.find_recipe(OWN) == OWN
    (homes[place] / "recipes").mkdir(parents=True)
    (homes[place] / OWN).write_text("training: {epochs: 3}")
    assert read_recipe(OWN) == {"training": {"epochs": 3}}
    OWN.parent.mkdir()
    OWN.write_text("training: {epochs: 4}")
    assert read_recipe(OWN) == {"training": {"epochs": 4}}


def test_own_recipe_and_studies_load_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.load(OWN)
    optim = recipe.optim
    assert (optim.name, optim.schedule, optim.batch_size) == ("adamw", "poly", 8)
    assert (recipe.data.name, recipe.training.epochs) == ("folder", 40)
    assert Study.load(Path("recipes/study/table1-small.yaml")).name == "table1-small"


def test_paths_start_here_or_else_at_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "project", tmp_path / "here"
    for path in (home / "my", home / "drive/x", home / "place", home / "log", here / "drive/rgb"):
        path.mkdir(parents=True)
    (home / "drive/rgb").mkdir()
    (home / "own.yaml").write_text(
        "data: {name: folder, root: my, val_root: /nowhere, x: log, options: {x: [drive/x, own]}}\n"
        "unlabelled: {root: drive/rgb, drives: [{root: place}]}\n"
        "distill: {teacher: runs/teacher}\n"
    )
    monkeypatch.chdir(here)
    recipe = Recipe.load(home / "own.yaml")
    assert recipe.data.root == home / "my"
    assert recipe.data.val_root == Path("/nowhere")
    assert recipe.data.x == "log"
    assert recipe.data.options == {"x": [str(home / "drive/x"), "own"]}
    assert recipe.unlabelled.root == Path("drive/rgb")
    assert recipe.unlabelled.drives[0].root == home / "place"
    assert recipe.distill is not None
    assert recipe.distill.teacher == Path("runs/teacher")
    assert Recipe.load(home / "own.yaml", data={"root": "my"}).data.root == Path("my")
