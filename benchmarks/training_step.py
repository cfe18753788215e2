"""Time of a training step with each method, and how much of it is the method's own loss.

    .venv/bin/python benchmarks/training_step.py

CPU seconds of one thread, the least of several runs; MFNet, batch 8 at 48 x 160, 14 classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import FeaturePair, Method, build_method
from lix.networks import SegOutput, build_network
from lix.training.module import hard_loss

BATCH, HEIGHT, WIDTH, CLASSES = 8, 48, 160, 14
REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    torch.set_num_threads(1)
    teacher = build_network("mfnet", CLASSES, 1).eval()
    student = build_network("mfnet", CLASSES)
    image, x = torch.rand(BATCH, 3, HEIGHT, WIDTH), torch.rand(BATCH, 1, HEIGHT, WIDTH)
    target = torch.randint(0, CLASSES, (BATCH, HEIGHT, WIDTH))
    names = student.default_features
    pairs = [FeaturePair(student.feature_specs[n], teacher.feature_specs[n]) for n in names]

    def hear_teacher(maps: Sequence[str]) -> SegOutput:
        with torch.no_grad():
            return teacher(image, x, features=maps)

    def step(method: Method) -> None:
        maps = names[-len(method.pairs) :] if method.pairs else ()
        out: SegOutput = student(image, features=maps)
        terms: list[Tensor] = [hard_loss(out.logits, target)]
        if method.kind != "none":
            terms += method(out, hear_teacher(maps), target).values()
        torch.stack(terms).sum().backward()

    plain = seconds(lambda: step(build_method("none")))
    hearing = seconds(lambda: hear_teacher(names))
    print(f"teacher's forward pass {hearing:.3f} s; plain student's step {plain:.3f} s")
    print(f"{'method':8}{'step s':>8}{'loss s':>8}")
    for name in entries("methods"):
        cls = entries("methods")[name].load()
        compared = pairs[-1:] if cls.maps == "last" else pairs
        method = build_method(name, compared if cls.kind in ("feature", "both") else [], CLASSES)
        whole = plain if name == "none" else seconds(lambda m=method: step(m))
        own = 0.0 if name == "none" else whole - plain - hearing
        print(f"{name:8}{whole:8.3f}{own:8.3f}")


if __name__ == "__main__":
    main()
