"""Time of a training step with each method, and of one in which half the images are unlabelled.

    .venv/bin/python benchmarks/training_step.py [METHOD[/MAP,MAP] ...]

CPU seconds of one thread, the least of several runs in turn; MFNet, 16 images of 32 x 96, 14
classes; forward and backward pass, without optimiser and data. "overhead" is a step over the plain
student's step and the teacher's forward pass, both measured in the same turns. METHOD/MAP,MAP
compares those maps, as in lix/enc4,enc5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import build_method
from lix.networks import build_network
from lix.runs.checkpoint import NetworkSpec
from lix.runs.settings import Optim
from lix.training.module import SegModule, feature_pairs

BATCH, HEIGHT, WIDTH, CLASSES = 16, 32, 96, 14
REPEATS = 9


def build(words: str) -> SegModule:
    """A student, its teacher and a method, as `lix distill` trains them."""
    name, _, maps = words.partition("/")
    torch.manual_seed(0)
    teacher, student = build_network("mfnet", CLASSES, 1), build_network("mfnet", CLASSES)
    cls = entries("methods")[name].load()
    names = student.default_features if cls.kind in ("feature", "both") else ()
    names = names[-1:] if cls.default_pairs == "last" else names
    names = tuple(maps.split(",")) if maps else names
    spec = NetworkSpec(
        "mfnet", tuple(map(str, range(CLASSES))), ((0, 0, 0),) * CLASSES, (HEIGHT, WIDTH)
    )
    distilled = name != "none"
    method = build_method(name, feature_pairs(student, teacher, (names, names)), CLASSES)
    return SegModule(
        student,
        spec,
        Optim(),
        epochs=1,
        seed=0,
        method=method if distilled else None,
        teacher=teacher if distilled else None,
        features=(names, names),
    )


def batches() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The same images, all with labels, and half of them without."""
    labelled = {
        "image": torch.rand(BATCH, 3, HEIGHT, WIDTH),
        "x": torch.rand(BATCH, 1, HEIGHT, WIDTH),
        "target": torch.randint(0, CLASSES, (BATCH, HEIGHT, WIDTH)),
    }
    target = labelled["target"].clone()
    target[BATCH // 2 :] = 255
    mixed = labelled | {
        "target": target,
        "valid": torch.ones_like(target, dtype=torch.bool),
        "labelled": torch.arange(BATCH) < BATCH // 2,
    }
    return labelled, mixed


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def step(module: SegModule, batch: dict[str, Tensor]) -> None:
    """Forward and backward pass."""
    torch.stack(list(module.losses(batch).values())).sum().backward()


def main(names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    half = BATCH // 2
    plain, teacher = build("none"), build("kd").teacher
    labelled, mixed = batches()
    print(f"{'method':14}{BATCH:>6} labelled s{half:>6} + {half} s{'ratio':>8}{'overhead':>10}")
    for name in names or entries("methods"):
        module = build(name)
        works = {
            "plain": partial(step, plain, labelled),
            "teacher": partial(look, teacher, labelled),
            "labelled": partial(step, module, labelled),
        }
        if name != "none":
            works["mixed"] = partial(step, module, mixed)
        best = dict.fromkeys(works, float("inf"))
        for _ in range(REPEATS):
            for part, work in works.items():
                best[part] = min(best[part], seconds(work))
        line = f"{name:14}{best['labelled']:17.4f}"
        if name != "none":
            ratio = best["mixed"] / best["labelled"]
            overhead = best["labelled"] / (best["plain"] + best["teacher"])
            line += f"{best['mixed']:12.4f}{ratio:8.2f}{overhead:10.2f}"
        print(line, flush=True)


@torch.inference_mode()
def look(teacher: torch.nn.Module, batch: dict[str, Tensor]) -> None:
    """The teacher's forward pass."""
    teacher(batch["image"], batch["x"])


if __name__ == "__main__":
    main(sys.argv[1:])
