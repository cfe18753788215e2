"""The search behind the methods' default weights: three weights each, the same budget for all.

    .venv/bin/python benchmarks/weights.py runs/weights

A weight is tried at which the method's gradient is 0.1, 0.3 and 1 times as long as that of the
cross-entropy, measured on a plain student, so that no method is favoured by the scale of its loss.
Finished runs are skipped; `OUTPUT/weights.csv` and the table on the screen are the result.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from lix.catalog import build_method, entries, merge
from lix.config import Augmentation, Data, Distillation, Optim, Recipe, Training
from lix.data.streets import write_streets
from lix.methods import Method
from lix.networks.checkpoint import load_network
from lix.study.demo import RENDERED, SIZE
from lix.study.jobs import Bars, Job, run_jobs
from lix.study.store import load_run
from lix.training.loaders import Batches, open_dataset
from lix.training.module import feature_pairs, hard_loss

RATIOS = (0.1, 0.3, 1.0)
EPOCHS, TEACHER_EPOCHS = 6, 20
BASELINE_SEEDS = (0, 1, 2)
LAST = 2
"""Epochs at the end whose validation mIoU is averaged."""

WEIGHTS = {
    "afdcd": ("fd_weight", "contrast_weight"),
    "lix": ("dwld.weight", "arfd.weight"),
}
"""What a method calls its weight where it is not `weight`, one per measured term."""
TERMS = {"afdcd": ("afdcd_fd", "afdcd_contrast"), "lix": ("dwld", "arfd")}


def recipe(output: Path, epochs: int, seed: int = 0, **settings: Any) -> Recipe:
    return Recipe(
        output=output,
        data=Data(name="vkitti2", root=output.parent / "data", size=SIZE),
        optim=Optim(name="adamw", lr=3e-3, schedule="poly"),
        augment=Augmentation(scale=(0.9, 1.25), photometric=0.2),
        training=Training(epochs=epochs, seed=seed, accelerator="cpu"),
        **settings,
    )


def options_of(weights: Mapping[str, float]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, weight in weights.items():
        *groups, key = name.split(".")
        nested: dict[str, Any] = {key: weight}
        for group in reversed(groups):
            nested = {group: nested}
        options = merge(options, nested)
    return options


class Bench:
    """A plain student, the teacher and a pass of training batches, to measure gradients on."""

    def __init__(self, output: Path) -> None:
        self.student, _ = load_network(output / "student0")
        self.teacher, _ = load_network(output / "teacher")
        self.teacher.eval()
        run = recipe(output / "units", 1)
        train, val = (open_dataset(run.data, split) for split in ("train", "val"))
        loader = Batches(run, train, val, x_in_training=True, x_in_validation=False)
        self.batches = [(b["image"], b["x"], b["target"]) for b in loader.train_dataloader()]

    def units(self, name: str) -> dict[str, float]:
        """Weights at which each term's gradient is as long as the cross-entropy's.

        The method's own modules are trained for a pass before, with the student as it is.
        """
        names, wanted = WEIGHTS.get(name, ("weight",)), TERMS.get(name, (name,))
        torch.manual_seed(0)
        cls = entries("methods")[name].load()
        default = slice(-1, None) if cls.maps == "last" else slice(None)
        maps = self.student.default_features[default] if cls.kind in ("feature", "both") else ()
        pairs = feature_pairs(self.student, self.teacher, (maps, maps))
        ones = options_of(dict.fromkeys(names, 1.0))
        method = build_method(name, pairs, self.student.num_classes, **ones)
        method.prepare(self.teacher, self.batches, features=maps)
        learned = [p for p in method.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learned or [torch.zeros(1)], lr=3e-3)
        for batch in self.batches if learned else []:
            terms = self.terms(method, maps, *batch, taught=False)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()
        lengths = dict.fromkeys(("hard", *wanted), 0.0)
        for batch in self.batches[:4]:
            terms = self.terms(method, maps, *batch)
            for term in lengths:
                found = torch.autograd.grad(
                    terms[term],
                    list(self.student.parameters()),
                    retain_graph=True,
                    allow_unused=True,
                )
                lengths[term] += (
                    torch.stack([g.norm() for g in found if g is not None]).norm().item()
                )
        return {n: lengths["hard"] / lengths[term] for n, term in zip(names, wanted, strict=True)}

    def terms(
        self,
        method: Method,
        maps: Sequence[str],
        image: Tensor,
        x: Tensor,
        target: Tensor,
        *,
        taught: bool = True,
    ) -> dict[str, Tensor]:
        """The loss terms of a batch; the student's graph is kept if it is `taught`."""
        with torch.set_grad_enabled(taught):
            out = self.student.train()(image, features=maps)
        with torch.no_grad():
            known = self.teacher(image, x, features=maps)
        terms = method(out, known, target)
        return terms | ({"hard": hard_loss(out.logits, target)} if taught else {})


def jobs_of(output: Path) -> list[Job]:
    jobs, bench = [], Bench(output)
    for name in entries("methods"):
        if name == "none":
            continue
        unit = bench.units(name)
        for ratio in RATIOS:
            options = options_of({k: float(f"{ratio * u:.1g}") for k, u in unit.items()})
            distill = Distillation(method=name, teacher=output / "teacher", options=options)
            run = recipe(output / f"{name}_{ratio:g}", EPOCHS, distill=distill)
            jobs.append(Job(run.output.name, run))
    # All methods' middle weights first, so that a stopped search says something about each.
    return sorted(jobs, key=lambda job: RATIOS[::-1].index(float(job.name.split("_")[1])) % 2 == 0)


def final(folder: Path) -> float:
    """Validation mIoU, mean of the last epochs."""
    curve = load_run(folder).curve("val_mIoU")
    return sum(value for _, value in curve[-LAST:]) / LAST


def main() -> None:
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/weights").absolute()
    console = Console(stderr=True)
    torch.set_num_threads(1)
    write_streets(
        output / "data", images=420, val_images=100, size=RENDERED, seed=0, cameras=(0,), workers=2
    )
    students = [recipe(output / f"student{s}", EPOCHS, seed=s) for s in BASELINE_SEEDS]
    baselines = [Job("teacher", recipe(output / "teacher", TEACHER_EPOCHS, role="teacher"))]
    baselines += [Job(r.output.name, r) for r in students]
    run_jobs(baselines, workers=2, watcher=Bars(baselines, console))
    jobs = jobs_of(output)
    run_jobs(jobs, workers=2, watcher=Bars(jobs, console))
    rows = [(job.name, "", final(job.recipe.output)) for job in baselines]
    for job in jobs:
        options = job.recipe.distill.options if job.recipe.distill else {}
        rows.append((job.name, str(options), final(job.recipe.output)))
    with (output / "weights.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("run", "options", "mIoU"), *rows])
    for name, options, value in sorted(rows):
        print(f"{name:14} {100 * value:5.1f}  {options}")


if __name__ == "__main__":
    main()
