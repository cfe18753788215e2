"""Students on the data that they were not trained on: really trained, tested, kept, tabulated."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from lix.cli.app import app
from lix.evaluation.report import evaluate_checkpoint
from lix.runs.settings import Data
from lix.study.cross import Crossed, cross_cells, crossed, evaluate_across
from lix.study.definition import Study
from lix.study.page import write_page
from lix.study.plan import plan
from lix.study.results import Score, load_results
from lix.study.schedule import run_study
from lix.study.tables import write_tables


def test_every_student_is_tested_on_the_other_data(real_study: Study, real_output: Path) -> None:
    found = crossed(load_results(real_study, real_output))
    assert {(c.trained, c.tested) for c in found} == {("town", "highway"), ("highway", "town")}
    (rows,) = cross_cells(real_study, found).values()
    value = next(c for c in found if c.trained == "town").scores["mIoU"].mean
    assert rows[0]["method"] == "none"
    assert rows[0]["town → highway %"] == f"{100 * value:.1f}"
    text = write_tables(load_results(real_study, real_output), real_output / "tables")
    heading = "## Trained → tested, mfnet: mIoU of the weights that each run ends with"
    assert f"{heading}\n\n| method | town →" in text
    assert f"\n| none | {100 * value:.1f} |  |" in text
    assert r"town $\to$ highway \% &" in (real_output / "tables/table.tex").read_text()
    write_page(load_results(real_study, real_output), real_output / "report.html")
    page = (real_output / "report.html").read_text()
    assert f">{100 * value:.1f}</td>" in page[page.index("Trained → tested") :]
    with (real_output / "tables/results.csv").open() as file:
        rows = {(r["data"], r["metric"], r["method"]): r["value"] for r in csv.DictReader(file)}
    assert float(rows["town", "mIoU@highway", "none"]) == pytest.approx(value, abs=1e-6)
    assert ("town", "mIoU@town", "none") not in rows


def test_a_matrix_has_scores_over_seeds_and_tests_against_the_plain_student(
    real_study: Study,
) -> None:
    def of(method: str, *values: float) -> Crossed:
        scores = {"mIoU": Score(dict(enumerate(values)))}
        return Crossed("mfnet", method, "town", "highway", scores)

    found = [of("none", 0.30, 0.31, 0.32), of("KD", 0.33, 0.33, 0.36)]
    none, kd = cross_cells(real_study, found)[
        "Trained → tested, mfnet: mIoU of the weights that each run ends with"
    ]
    assert none == {
        "method": "none",
        "town → highway %": "31.0 ± 2.5",
        "town → highway p student": "",
    }
    assert kd["town → highway %"] == "34.0 ± 4.3"
    t = 0.03 / (0.01 / 3**0.5)  # of the differences 0.03, 0.02, 0.04
    assert kd["town → highway p student"] == f"{1 - t / (2 + t * t) ** 0.5:.3f}"  # 2 degrees


def test_what_is_tested_is_skipped(real_study: Study, real_output: Path) -> None:
    files = [
        p.cross_file(real_study, d) for p in plan(real_study, real_output) for d in real_study.data
    ]
    before = {f: f.stat().st_mtime_ns for f in files if f.is_file()}
    assert len(before) == 4
    run_study(real_study, real_output, console=Console(quiet=True))
    assert {f: f.stat().st_mtime_ns for f in files if f.is_file()} == before


def test_students_whose_weights_are_gone_are_named(
    real_study: Study, real_output: Path, tmp_path: Path
) -> None:
    shutil.copytree(real_output / "runs", tmp_path / "runs")
    runs = plan(real_study, tmp_path)
    lost, seen = next(p for p in runs if (p.data, p.method) == ("town", "none")), "highway"
    lost.job.folder.best.unlink()
    lost.cross_file(real_study, seen).unlink()
    console = Console(file=io.StringIO(), width=1000)
    evaluate_across(real_study, runs, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.startswith(
        "Skipped the test of 1 students on other data: their checkpoints are missing."
    )
    assert said.endswith(f"train them again: {lost.job.name}.\n")


def test_data_without_common_classes_are_found_before_anything_runs(
    real_study: Study, tmp_path: Path
) -> None:
    wrong = real_study.model_copy(update={"cross": {"road": ("Road",), "ship": ("Boat",)}})
    with pytest.raises(ValueError, match="fewer than two classes in common"):
        run_study(wrong, tmp_path / "out", console=Console(quiet=True))
    assert not (tmp_path / "out").exists()


def depth_folder(root: Path, folder: Path, description: dict[str, object]) -> Path:
    """X of all images below a root, which is depth in mm where the description says nothing."""
    for image in root.rglob("*.jpg"):
        path = folder / image.relative_to(root).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 48), 900, np.uint16)).save(path)
    described = {"kind": "depth", "scale": 0.001} | description
    (folder / "x.yaml").write_text(yaml.safe_dump(described))
    return folder


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"range": [0.4, 2]}, r"the range the default, but .* describes 0\.4 to 2"),
        ({"kind": "disparity"}, r"sees 1 channel\(s\) of depth, but .* has disparity"),
    ],
)
def test_a_network_that_sees_x_is_refused(
    real_study: Study, real_output: Path, tmp_path: Path, x: dict[str, object], message: str
) -> None:
    """A study tests students, and `lix eval` wants X of the same kind and range."""
    runs = plan(real_study, real_output)
    (student,) = (p for p in runs if (p.data, p.method) == ("town", "none"))
    teacher = next(p for p in runs if (p.data, p.method) == ("town", "teacher"))
    shutil.copytree(teacher.job.recipe.output, tmp_path / "run")
    recipe = student.job.recipe.model_copy(update={"output": tmp_path / "run"})
    seeing = replace(student, job=replace(student.job, recipe=recipe))
    console = Console(quiet=True)
    with pytest.raises(ValueError, match="is a teacher"):
        evaluate_across(real_study, [seeing], console)
    highway = Data.model_validate(real_study.data["highway"])
    assert evaluate_checkpoint(tmp_path / "run", highway, common=True, console=console)
    folder = depth_folder(Path(real_study.data["highway"]["root"]), tmp_path / "x", x)
    other = highway.model_copy(update={"options": {"x": [folder]}})
    with pytest.raises(ValueError, match=message):
        evaluate_checkpoint(tmp_path / "run", other, common=True, console=console)


def test_eval_scores_the_same_by_hand(
    real_study: Study, real_output: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = next(p for p in plan(real_study, real_output) if (p.data, p.method) == ("town", "none"))
    root = real_study.data["highway"]["root"]
    tokens = ["eval", str(run.job.recipe.output), "--data.root", root, "--common"]
    app.meta([*tokens, "--output", str(tmp_path / "scores.json")], result_action="return_value")
    assert run.cross_file(real_study, "highway").read_text() == _without_confusion(
        tmp_path / "scores.json"
    )


def _without_confusion(path: Path) -> str:
    found = json.loads(path.read_text())
    del found["confusion"], found["split"]
    return json.dumps(found, indent=1)
