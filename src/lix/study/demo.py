"""`lix demo`: the whole job on street images that it makes, and a report."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from lix.deploy.predict import predict
from lix.runs.recipe import Augmentation, Data, Distillation, Optim, Recipe, Training
from lix.streets import StreetPlan, write_streets
from lix.study.jobs import Bars, Job, run_jobs
from lix.study.report import write_report
from lix.study.store import METRICS, Run, load_run, write_results

SIZE = (48, 160)
RENDERED = (96, 320)


def run_demo(
    output: Path, *, images: int, val_images: int, epochs: int, seed: int = 0
) -> list[Run]:
    """Make streets, train teacher, plain student, KD and LIX, evaluate, predict, report.

    Writes `results.csv`, `report.html`, `predictions/`, the data and a run folder per network
    into `output`; what is there already is reused.
    """
    console = Console(stderr=True, soft_wrap=True)
    output = output.absolute()
    started = time.perf_counter()
    workers = max(1, min(4, os.cpu_count() or 1))
    streets = output / "data"
    console.print(f"1/4 street images in {streets}")
    plan = StreetPlan(images + val_images, RENDERED, seed, val_images=val_images)
    write_streets(streets, plan, cameras=(0,), workers=workers)
    console.print(f"2/4 four trainings of {epochs} epochs, {min(workers, 2)} at a time")
    jobs = demo_jobs(output, streets, epochs=epochs, seed=seed)
    _check_reusable(jobs)
    run_jobs(jobs, workers=workers, watcher=Bars(jobs, console))
    runs = [load_run(output / name) for name in ("teacher", "student", "kd", "lix")]
    console.print("3/4 predictions of the LIX student, from RGB alone")
    for image in _first_validation_images(streets, 8):
        predict(output / "lix", image, output / "predictions", confidence=True)
    console.print("4/4 report")
    write_results(runs, output / "results.csv")
    write_report(runs, output / "report.html", title="lix demo")
    _say(runs, console)
    minutes = (time.perf_counter() - started) / 60
    console.print(f"{minutes:.1f} minutes; open {output / 'report.html'}")
    return runs


def demo_jobs(output: Path, streets: Path, *, epochs: int, seed: int) -> list[Job]:
    """The four trainings, equal but for what the student is taught by; the longest first."""

    def recipe(name: str, **settings: Any) -> Recipe:
        return Recipe(
            output=output / name,
            data=Data(name="vkitti2", root=streets, size=SIZE),
            optim=Optim(name="adamw", lr=3e-3, schedule="poly"),
            augment=Augmentation(scale=(0.9, 1.25), photometric=0.2),
            training=Training(epochs=epochs, seed=seed, accelerator="cpu"),
            **settings,
        )

    def distilled(method: str) -> Recipe:
        return recipe(method, distill=Distillation(method=method, teacher=output / "teacher"))

    return [
        Job("teacher", recipe("teacher", role="teacher")),
        Job("student", recipe("student")),
        Job("lix", distilled("lix"), needs="teacher"),
        Job("kd", distilled("kd"), needs="teacher"),
    ]


def _check_reusable(jobs: list[Job]) -> None:
    for job in jobs:
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


def _say(runs: list[Run], console: Console) -> None:
    for run in runs:
        shown = "  ".join(f"{metric} {100 * run.result[metric]:5.1f} %" for metric in METRICS)
        console.print(f"{run.folder.name:8} {shown}  {run.result['seconds']:4.0f} s")
        for sentence in run.result["warnings"]:
            console.print(f"         [yellow]warning:[/] {sentence}")
