"""Students on the data that they were not trained on: really trained, tested, kept, tabulated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lix.cli import app
from lix.data.streets import write_streets
from lix.study.cross import cross_matrix, crossed
from lix.study.grid import Study, plan
from lix.study.results import finished
from lix.study.run import run_study
from lix.study.tables import write_tables


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("cross")
    for world in ("town", "highway"):
        write_streets(
            root / world, images=6, val_images=2, size=(32, 48), world=world, cameras=(0,)
        )
    entries = {
        "name": "cross",
        "settings": {
            "optim": {"batch_size": 2},
            "training": {"epochs": 1, "accelerator": "cpu"},
        },
        "data": {w: {"root": str(root / w), "size": [32, 48]} for w in ("town", "highway")},
        "networks": {"mfnet": {}},
        "methods": ["none"],
        "seeds": [0],
        "last": 1,
        "cross": "same",
    }
    path = root / "study.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return Study.load(path)


@pytest.fixture(scope="module")
def output(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert run_study(study, folder, workers=2, console=Console(quiet=True)) == {}
    return folder


def test_every_student_is_tested_on_the_other_data(study: Study, output: Path) -> None:
    found = crossed(finished(study, output), study)
    assert {(c.trained, c.tested) for c in found} == {("town", "highway"), ("highway", "town")}
    matrix = cross_matrix(found)
    assert "| method | town → highway | highway → town |" in matrix
    value = next(c for c in found if c.trained == "town").scores["mIoU"].mean
    assert f"| none | {100 * value:.1f} |" in matrix
    assert matrix in write_tables(study, output, output / "tables")
    with (output / "tables/results.csv").open() as file:
        rows = {(r["data"], r["metric"]): r["value"] for r in csv.DictReader(file)}
    assert float(rows["town", "mIoU@highway"]) == pytest.approx(value, abs=1e-6)
    assert ("town", "mIoU@town") not in rows


def test_what_is_tested_is_skipped(study: Study, output: Path) -> None:
    files = [p.cross_file(d) for p in plan(study, output) for d in study.data]
    before = {f: f.stat().st_mtime_ns for f in files if f.is_file()}
    assert len(before) == 2
    run_study(study, output, console=Console(quiet=True))
    assert {f: f.stat().st_mtime_ns for f in files if f.is_file()} == before


def test_eval_scores_the_same_by_hand(
    study: Study, output: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = next(p for p in plan(study, output) if (p.data, p.method) == ("town", "none"))
    root = study.data["highway"]["root"]
    tokens = ["eval", str(run.job.recipe.output), "--data.root", root, "--common"]
    app.meta([*tokens, "--output", str(tmp_path / "scores.json")], result_action="return_value")
    assert run.cross_file("highway").read_text() == _without_confusion(tmp_path / "scores.json")


def _without_confusion(path: Path) -> str:
    found = json.loads(path.read_text())
    del found["confusion"]
    return json.dumps(found, indent=1)
