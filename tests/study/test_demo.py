"""The whole demo, small: files, report, a second run that reuses, a failure that names its log."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image
from rich.console import Console

from lix.evaluation.metrics import METRICS
from lix.runs.recipe import Recipe
from lix.runs.settings import Data
from lix.study.demo import DemoSize, demo_runs, demo_study, run_demo
from lix.study.plan import Job, PlannedRun
from lix.study.progress import StudyProgress
from lix.study.records import read_folder
from lix.study.results import COLUMNS
from lix.study.schedule import run_jobs

pytestmark = pytest.mark.slow

SIZE = DemoSize(labelled=16, unlabelled=12, tested=6, epochs=2)
NOTEBOOK = Path(__file__).parents[2] / "examples/demo.ipynb"
RUNS = ["teacher", "student", "lix", "lix-drive"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("demo") / "runs/demo"
    run_demo(output, SIZE)
    return output


def test_results_are_tidy_and_those_of_the_runs(demo: Path) -> None:
    with (demo / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [*dict.fromkeys(row["method"] for row in rows)] == RUNS
    final = {
        r["metric"]: float(r["value"]) for r in rows if (r["method"], r["epoch"]) == ("lix", "")
    }
    result = read_folder(demo / "lix").result
    assert {m: final[m] for m in METRICS} == {
        m: pytest.approx(result[m], abs=1e-6) for m in METRICS
    }


class Page(HTMLParser):
    """Collects the addresses and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for name, v in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_report_is_self_contained_and_complete(demo: Path) -> None:
    source = (demo / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    assert not page.addresses
    assert not re.search(r"<link\b|@import|url\(", source)
    for wanted in (*RUNS, "TrafficSign", "IoU by class", "In a place that nobody labelled"):
        assert wanted in page.text
    frames = json.loads(re.search("data-frames='(.*?)'", source)[1])
    assert len(frames) == 6
    assert [title for title, _ in frames[0]] == ["RGB", "depth", "truth", *RUNS]
    assert all(address.startswith("data:image/png") for _, address in frames[0])
    for label in ("mean β", "spread of β", "CKA of the maps"):
        assert f'aria-label="{label}' in source
    shown = f"{100 * read_folder(demo / 'lix').result['mIoU']:.1f}"
    assert shown in page.text


def test_the_students_differ_only_in_what_they_learn_from() -> None:
    study = demo_study(Path("data"), epochs=10, seed=0)
    runs = {run.method: run.job.recipe for run in demo_runs(study, Path("runs"))}
    assert list(runs) == RUNS
    for recipe in runs.values():
        for section in ("data", "network", "optim", "augment", "training"):
            assert getattr(recipe, section) == getattr(runs["teacher"], section)
        assert not recipe.keeps_best, "no label of the new place may choose an epoch"
    assert [name for name, recipe in runs.items() if recipe.unlabelled.is_used] == ["lix-drive"]
    assert runs["lix"].distill == runs["lix-drive"].distill


def test_pictures_show_the_four_side_by_side(demo: Path) -> None:
    with Image.open(demo / "pictures.png") as picture:
        assert picture.width > picture.height > 100


def test_predictions_are_there(demo: Path) -> None:
    assert len(list((demo / "predictions").glob("*_overlay.png"))) == 6


def test_second_run_reuses_what_exists(demo: Path) -> None:
    kept = [*demo.glob("*/checkpoints/*.ckpt"), *demo.glob("data/**/rgb_*.jpg")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    run_demo(demo, SIZE)
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_the_notebook_shows_the_demo(demo: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    for cell in notebook.cells:
        cell.source = re.sub(r"DemoSize\(.*\)", repr(SIZE), cell.source)
    folder = str(demo.parents[1])  # the runs of this demo are its own
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": folder}})
    client.execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = [set(output.data) for output in outputs if "data" in output]
    assert {"image/png"} <= set.union(*kinds)
    assert (demo / "student.onnx").is_file()


def test_other_settings_in_the_same_folder_are_refused(demo: Path) -> None:
    with pytest.raises(ValueError, match="other settings; choose another --output"):
        run_demo(demo, replace(SIZE, epochs=3))


def test_failed_training_names_its_log(tmp_path: Path) -> None:
    job = Job("lost", Recipe(output=tmp_path / "run", data=Data(root=tmp_path / "nowhere")))
    progress = StudyProgress([PlannedRun("a", "b", "c", 0, job)], Console(quiet=True))
    (failure,) = run_jobs([job], workers=1, progress=progress).values()
    assert re.search(r"'lost' failed: .*nowhere is missing.*log\.txt", failure)
