"""Time of a training step with each method, and of one in which half the images are unlabelled.

    .venv/bin/python benchmarks/training_step.py [METHOD ...]

CPU seconds of one thread, the least of several runs in turn; MFNet, 16 images of 32 x 96, 14
classes; forward and backward pass, without optimiser and data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

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


def build(name: str) -> SegModule:
    """A student, its teacher and a method, as `lix distill` trains them."""
    torch.manual_seed(0)
    teacher, student = build_network("mfnet", CLASSES, 1), build_network("mfnet", CLASSES)
    cls = entries("methods")[name].load()
    names = student.default_features if cls.kind in ("feature", "both") else ()
    names = names[-1:] if cls.default_pairs == "last" else names
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


def step(module: SegModule, batch: dict[str, Tensor]) -> float:
    """CPU seconds of a step."""
    start = time.process_time()
    torch.stack(list(module.losses(batch).values())).sum().backward()
    return time.process_time() - start


def main(names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    half = BATCH // 2
    print(f"{'method':8}{BATCH:>6} labelled s{half:>6} + {half} s{'ratio':>8}")
    for name in names or entries("methods"):
        module, kinds = build(name), batches()
        if name == "none":
            kinds = kinds[:1]
        best = [float("inf")] * len(kinds)
        for _ in range(REPEATS):
            for i, batch in enumerate(kinds):
                best[i] = min(best[i], step(module, batch))
        line = f"{name:8}{best[0]:17.4f}"
        print(
            line + (f"{best[1]:12.4f}{best[1] / best[0]:8.2f}" if len(best) > 1 else ""), flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
