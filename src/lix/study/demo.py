"""`lix demo`: few labels at home, an unlabelled drive through a new place, four networks there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from lix.core.console import print_table, warn
from lix.core.files import atomic_write
from lix.deploy.predict import predict
from lix.evaluation.metrics import METRICS
from lix.runs.recipe import Recipe
from lix.streets import StreetPlan, write_streets
from lix.study.definition import Pictures, Study
from lix.study.page import write_page
from lix.study.pictures import draw
from lix.study.plan import PlannedRun, plan
from lix.study.progress import StudyProgress
from lix.study.records import read_folder
from lix.study.results import CompletedRun, Results, write_tidy
from lix.study.schedule import run_jobs

SIZE = (32, 96)
RENDERED = (64, 192)
HOME, PLACE = "town", "highway"
STUDENT, LABELS, DRIVE = "student", "lix", "lix-drive"


@dataclass(frozen=True)
class DemoSize:
    """How large the demo is."""

    labelled: int = 160
    """Number of labelled streets of the town."""
    unlabelled: int = 480
    """Number of streets of the highway that nobody labels."""
    tested: int = 100
    """Number of other streets of the highway, whose labels only score the networks."""
    epochs: int = 24
    """Passes over the labelled streets."""


def run_demo(output: Path, size: DemoSize = DemoSize(), *, seed: int = 0) -> Results:
    """Make streets, train four networks, score them in the new place, predict, report.

    Writes `results.csv`, `report.html`, `pictures.png`, `predictions/`, the data and a folder for
    each run into `output`; what is there already is reused.

    Raises:
        ValueError: a training failed, or `output` holds runs with other settings.
    """
    console = Console(stderr=True, soft_wrap=True)
    output = output.absolute()
    started = time.perf_counter()
    workers = max(1, min(4, os.cpu_count() or 1))
    console.print(
        f"1/4 {size.labelled} labelled streets of a town, {size.unlabelled} unlabelled ones of a "
        f"highway, {size.tested} others of it to test on"
    )
    _make_streets(output / "data", size, seed, workers)
    console.print(f"2/4 four trainings of {size.epochs} epochs, {min(workers, 2)} at a time")
    study = demo_study(output / "data", epochs=size.epochs, seed=seed)
    runs = demo_runs(study, output)
    _check_reusable(runs)
    jobs = [run.job for run in runs]
    failed = run_jobs(jobs, workers=workers, progress=StudyProgress(runs, console))
    if failed:
        raise ValueError(next(iter(failed.values())))
    completed = [CompletedRun(run, read_folder(run.job.folder.path)) for run in runs]
    results = Results(study, completed, planned=len(runs), damaged={})
    console.print("3/4 predictions of the student that knows the drive, from RGB only")
    for image in _first_test_images(output / "data" / "test", 8):
        predict(output / DRIVE, image, output / "predictions", confidence=True)
    console.print("4/4 report")
    write_tidy(results, output / "results.csv")
    records = {one.planned.method: one.record for one in completed}
    with atomic_write(output / "pictures.png") as unfinished:
        draw(Pictures(kind="predictions", frames=4), records).savefig(unfinished, format="png")
    write_page(results, output / "report.html", headline=headline(results))
    _print_scores(results, console)
    minutes = (time.perf_counter() - started) / 60
    console.print(headline(results))
    console.print(f"{minutes:.1f} minutes; open {output / 'report.html'}", markup=False)
    return results


def _make_streets(root: Path, size: DemoSize, seed: int, workers: int) -> None:
    """The town's labelled streets, and two sets of the highway's: the drive and the test."""
    for folder, world, training, validation in (
        ("town", HOME, size.labelled, 1),
        ("drive", PLACE, size.unlabelled - 1, 1),  # all are used where labels are not
        ("test", PLACE, 1, size.tested),
    ):
        first = seed + 100_000 * ("town", "drive", "test").index(folder)
        streets = StreetPlan(training + validation, RENDERED, first, world, validation)
        write_streets(root / folder, streets, cameras=(0,), workers=workers)


def demo_study(data: Path, *, epochs: int, seed: int) -> Study:
    """The four trainings, equal but for what the network sees and learns from."""
    place = {"name": "vkitti2", "root": data / "town", "val_root": data / "test", "size": SIZE}
    return Study.model_validate(
        {
            "name": "demo",
            "title": "lix demo: a place that nobody labelled",
            "settings": {
                "optim": {"name": "adamw", "lr": 3e-3, "schedule": "poly"},
                "augment": {"scale": (0.9, 1.25), "photometric": 0.2},
                "training": {
                    "epochs": epochs,
                    "seed": seed,
                    "accelerator": "cpu",
                    "channels_last": True,
                    "evaluate_every": epochs,
                },
            },
            "data": {PLACE: place},
            "unlabelled": {PLACE: {"root": data / "drive"}},
            "networks": {"mfnet": {}},
            "methods": [
                {"method": "none", "label": STUDENT},
                {"method": "lix", "label": LABELS},
                {"method": "lix", "label": DRIVE, "unlabelled": True},
            ],
            "seeds": [seed],
            "average_last": None,
        }
    )


def headline(results: Results) -> str:
    """The sentence that matters."""
    scores = {one.planned.method: 100 * one.final("mIoU", None) for one in results.runs}
    return (
        f"In a place that nobody labelled, the student that learned from one unlabelled drive "
        f"there has {scores[DRIVE]:.1f} % mIoU with only a camera; trained on the labels from "
        f"elsewhere it has {scores[STUDENT]:.1f} %, and the teacher, which also sees depth, "
        f"{scores['teacher']:.1f} %."
    )


def demo_runs(study: Study, output: Path) -> list[PlannedRun]:
    """The runs of the demo in folders of their names."""
    runs = []
    for run in plan(study, output):
        recipe = run.job.recipe.model_copy(update={"output": output / run.method})
        if recipe.distill:
            distill = recipe.distill.model_copy(update={"teacher": output / "teacher"})
            recipe = recipe.model_copy(update={"distill": distill})
        runs.append(replace(run, job=replace(run.job, recipe=recipe)))
    return runs


def _check_reusable(runs: list[PlannedRun]) -> None:
    for job in (run.job for run in runs):
        saved = job.folder.recipe
        if saved.is_file() and Recipe.load(saved) != job.recipe:
            raise ValueError(
                f"{job.recipe.output} was trained with other settings; choose another --output "
                "or remove that folder."
            )


def _first_test_images(streets: Path, count: int) -> list[Path]:
    ids = (streets / "val.txt").read_text(encoding="utf-8").split()[:count]
    frames = [frame.split("/") for frame in ids]
    return [
        streets / scene / variation / "frames" / "rgb" / camera / f"rgb_{number}.jpg"
        for scene, variation, camera, number in frames
    ]


def _print_scores(results: Results, console: Console) -> None:
    rows = [
        {
            "run": one.planned.method,
            **{f"{metric} %": f"{100 * one.record.result[metric]:.1f}" for metric in METRICS},
            "seconds": f"{one.record.result['seconds']:.0f}",
        }
        for one in results.runs
    ]
    print_table(console, rows)
    for one in results.runs:
        for sentence in one.record.result["warnings"]:
            warn(console, f"{one.planned.method}: {sentence}")
