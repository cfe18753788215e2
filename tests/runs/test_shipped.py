"""Recipes of lix are there without a clone of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from lix.runs import shipped
from lix.runs.recipe import Recipe, read_recipe
from lix.study.definition import Study

OWN = Path("recipes/own.yaml")


@pytest.mark.parametrize("place", range(2), ids=["installed", "clone"])
def test_recipes_are_there_in_an_empty_folder(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [tmp_path / "package", tmp_path / "clone"]
    monkeypatch.setattr(shipped, "HOMES", homes)
    monkeypatch.chdir(tmp_path)
    assert shipped.find_recipe(OWN) == OWN
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
