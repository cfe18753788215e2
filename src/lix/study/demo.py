"""`lix demo`: the whole job on street images that it makes, and a report: a study of one seed."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from lix.deploy.predict import predict
from lix.evaluation.metrics import METRICS
from lix.runs.recipe import Recipe
from lix.streets import StreetPlan, write_streets
from lix.study.definition import Study
from lix.study.page import write_page
from lix.study.plan import PlannedRun, plan
from lix.study.progress import StudyProgress
from lix.study.records import read_folder
from lix.study.results import CompletedRun, Results, write_tidy
from lix.study.schedule import run_jobs

SIZE = (48, 160)
RENDERED = (96, 320)


def run_demo(output: Path, *, images: int, val_images: int, epochs: int, seed: int = 0) -> Results:
    """Make streets, train teacher, plain student, KD and LIX, evaluate, predict, report.

    Writes `results.csv`, `report.html`, `predictions/`, the data and a folder for each run into
    `output`; what is there already is reused.

    Raises:
        ValueError: a training failed, or `output` holds runs with other settings.
    """
    console = Console(stderr=True, soft_wrap=True)
    output = output.absolute()
    started = time.perf_counter()
    workers = max(1, min(4, os.cpu_count() or 1))
    streets = output / "data"
    console.print(f"1/4 street images in {streets}", markup=False)
    streets_of = StreetPlan(images + val_images, RENDERED, seed, val_images=val_images)
    write_streets(streets, streets_of, cameras=(0,), workers=workers)
    console.print(f"2/4 four trainings of {epochs} epochs, {min(workers, 2)} at a time")
    study = demo_study(streets, epochs=epochs, seed=seed)
    runs = demo_runs(study, output)
    _check_reusable(runs)
    jobs = [run.job for run in runs]
    failed = run_jobs(jobs, workers=workers, progress=StudyProgress(runs, console))
    if failed:
        raise ValueError(next(iter(failed.values())))
    completed = [CompletedRun(run, read_folder(run.job.folder.path)) for run in runs]
    results = Results(study, completed, planned=len(runs), damaged={})
    console.print("3/4 predictions of the LIX student, from RGB alone")
    for image in _first_validation_images(streets, 8):
        predict(output / "lix", image, output / "predictions", confidence=True)
    console.print("4/4 report")
    write_tidy(results, output / "results.csv")
    write_page(results, output / "report.html")
    _print_scores(results, console)
    minutes = (time.perf_counter() - started) / 60
    console.print(f"{minutes:.1f} minutes; open {output / 'report.html'}", markup=False)
    return results


def demo_study(streets: Path, *, epochs: int, seed: int) -> Study:
    """The four trainings, equal but for what the student learns from."""
    return Study.model_validate(
        {
            "name": "demo",
            "title": "lix demo",
            "settings": {
                "optim": {"name": "adamw", "lr": 3e-3, "schedule": "poly"},
                "augment": {"scale": (0.9, 1.25), "photometric": 0.2},
                "training": {"epochs": epochs, "seed": seed, "accelerator": "cpu"},
            },
            "data": {"streets": {"name": "vkitti2", "root": streets, "size": SIZE}},
            "networks": {"mfnet": {}},
            "methods": [{"method": "none", "label": "student"}, "kd", "lix"],
            "seeds": [seed],
            "average_last": 1,
        }
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


def _first_validation_images(streets: Path, count: int) -> list[Path]:
    ids = (streets / "val.txt").read_text(encoding="utf-8").split()[:count]
    frames = [frame.split("/") for frame in ids]
    return [
        streets / scene / variation / "frames" / "rgb" / camera / f"rgb_{number}.jpg"
        for scene, variation, camera, number in frames
    ]


def _print_scores(results: Results, console: Console) -> None:
    for one in results.runs:
        result = one.record.result
        shown = "  ".join(f"{metric} {100 * result[metric]:5.1f} %" for metric in METRICS)
        console.print(f"{one.planned.method:8} {shown}  {result['seconds']:4.0f} s")
        for sentence in result["warnings"]:
            console.print(f"         [yellow]warning:[/] {escape(sentence)}")
