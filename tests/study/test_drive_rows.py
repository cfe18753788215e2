"""Rows of a study that learn from unlabelled frames: their source, and who teaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lix.study.definition import Study
from lix.study.plan import plan
from tests.study.test_plan import ENTRIES, study

ROLES = [
    "none",
    {"method": "kd", "label": "self", "teacher": "rgb", "unlabelled": True},
    {"method": "dwld", "label": "drive", "unlabelled": True},
    {"method": "none", "label": "ceiling", "teacher": "truth", "unlabelled": True},
]


DRIVES = {"a": {"root": "data/drive-a"}, "b": {"root": "data/drive-b"}}


def test_rows_may_learn_from_a_drive_and_name_who_teaches() -> None:
    runs = {
        (run.data, run.method, run.seed): run.job
        for run in plan(study(methods=ROLES, unlabelled=DRIVES), Path("out"))
    }
    drive, own = runs["b", "drive", 1], runs["b", "self", 1]
    assert drive.recipe.unlabelled.root == own.recipe.unlabelled.root == Path("data/drive-b")
    assert drive.needs == runs["b", "teacher", 0].name
    assert own.needs == runs["b", "none", 1].name, "the plain student of the same seed"
    ceiling = runs["b", "ceiling", 1]
    assert ceiling.needs is None
    assert ceiling.recipe.distill is None
    assert ceiling.recipe.unlabelled.truth
    assert not runs["b", "none", 1].recipe.unlabelled.is_used
    assert len({job.name for job in runs.values()}) == len(runs)


def test_a_row_may_have_a_drive_of_its_own() -> None:
    rows = [
        "none",
        {"method": "kd", "label": "more", "unlabelled": {"batch_size": 16}},
        {"method": "kd", "label": "other", "unlabelled": {"root": "data/other"}},
    ]
    runs = {
        (run.data, run.method): run.job.recipe.unlabelled
        for run in plan(study(methods=rows, unlabelled=DRIVES, seeds=[0]), Path("out"))
    }
    assert runs["a", "more"].root == Path("data/drive-a")
    assert runs["a", "more"].batch_size == 16
    assert runs["a", "other"].root == runs["b", "other"].root == Path("data/other")


def test_a_teacher_may_be_taught_on_the_drive_first() -> None:
    rows = ["none", {"method": "kd", "label": "KD", "teacher": "taught", "unlabelled": True}]
    taught = study(methods=rows, unlabelled=DRIVES, seeds=[0])
    runs = {(run.data, run.method): run.job for run in plan(taught, Path("out"))}
    first, second = runs["a", "teacher"], runs["a", "taught teacher"]
    assert second.needs == first.name
    assert (second.recipe.role, second.recipe.distill) == ("teacher", None)
    assert second.recipe.unlabelled.teacher == first.recipe.output
    assert second.recipe.unlabelled.root == Path("data/drive-a")
    assert runs["a", "KD"].needs == second.name
    moved = {run.job.name for run in plan(taught, Path("elsewhere"))}
    assert moved == {job.name for job in runs.values()}
    assert taught.teachers == ["teacher", "taught teacher"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unlabelled": {"a": {"root": "x"}}}, "name those of b under `unlabelled`"),
        ({"methods": ROLES[1:]}, "self learns from the plain student; add the row `none`"),
    ],
)
def test_sources_that_are_missing_are_named(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(ENTRIES | {"methods": ROLES, "unlabelled": DRIVES} | changes))
    with pytest.raises(ValueError, match=words):
        Study.load(path)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"method": "kd", "teacher": "truth", "unlabelled": True}, "taught by the truth has"),
        ({"method": "none", "unlabelled": True}, "teach nothing without a method"),
        ({"method": "kd", "teacher": "taught"}, "taught teacher learns on unlabelled frames"),
    ],
)
def test_rows_that_cannot_be_are_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        study(methods=[entry], unlabelled=DRIVES)


def test_the_recipe_about_selected_frames_names_the_runs_that_select_them() -> None:
    path = Path("recipes/study/select-small.yaml")
    jobs = {run.method: run.job.name for run in reversed(plan(Study.load(path), Path("out")))}
    assert f"--teacher runs/study/runs/{jobs['teacher']} --student" in path.read_text()
    assert f"--student runs/study/runs/{jobs['none']}\n" in path.read_text()
