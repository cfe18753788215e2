"""Loss curves of one process and of two with the same global batch, for every method.

    python two_processes.py OUTPUT.json

The network has no batch norm, whose statistics are each process's own. The processes see unequal
numbers of labelled pixels, and unequal classes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lix.core.registry import entries
from lix.core.types import IGNORE_INDEX
from lix.methods import build_method
from lix.networks import FeatureSpec, SegNetwork
from lix.networks.parts.base import FeatureTaps
from lix.runs.checkpoint import NetworkSpec
from lix.runs.settings import Optim
from lix.training.module import SegModule, feature_pairs

STEPS, BATCH, CLASSES, SIZE = 20, 4, 5, (16, 24)
WEIGHTED = "none, weighted"
DRIVE = "dwld, unlabelled"
METHODS = {name: entry.load() for name, entry in entries("methods").items()}
PER_PIXEL = [
    "none",
    WEIGHTED,
    DRIVE,
    *(n for n, cls in METHODS.items() if cls.kind == "logit" and cls.per_pixel),
]


class Plain(SegNetwork):
    """Two convolutions and a head."""

    num_classes, size_divisor, default_features = CLASSES, 2, ("a", "b")
    feature_specs = {"a": FeatureSpec(8, 1), "b": FeatureSpec(8, 2)}

    def __init__(self, x_channels: int) -> None:
        super().__init__()
        self.x_channels = x_channels
        self.first = nn.Conv2d(3 + x_channels, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.head = nn.Conv2d(8, CLASSES, 1)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        inputs = image if x is None else torch.cat([image, x], dim=1)
        first = taps("a", self.first(inputs).relu())
        second = taps("b", self.second(first).relu())
        logits: Tensor = nn.functional.interpolate(self.head(second), scale_factor=2.0)
        return logits


class Losses(nn.Module):
    """What DDP wraps: a batch → the sum of its loss terms."""

    def __init__(self, method: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        student, teacher = Plain(0), Plain(1)
        max_class_weight = 3.0 if method == WEIGHTED else 1.0
        method = method.partition(",")[0]
        cls: Any = METHODS[method]
        names = student.default_features if cls.kind in ("feature", "both") else ()
        names = names[-1:] if cls.default_pairs == "last" else names
        built = build_method(method, feature_pairs(student, teacher, (names, names)), CLASSES)
        spec = NetworkSpec("plain", tuple("abcde"), ((0, 0, 0),) * CLASSES, SIZE)
        distil = {"method": built, "teacher": teacher, "features": (names, names)}
        optim = Optim()
        settings = {"max_class_weight": max_class_weight} | ({} if method == "none" else distil)
        self.module = SegModule(student, spec, optim, epochs=1, seed=0, **settings)
        if built.teacher_stage() is not None:
            batches = [(b["image"], b["x"], b["target"]) for b in map(batch, range(2))]
            built.prepare(teacher.eval(), batches, features=names)

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        return torch.stack(list(self.module.losses(given).values())).sum()


def mixed(labelled: dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch whose second half nobody labelled; its last image is half padding."""
    target, known = labelled["target"].clone(), torch.arange(BATCH) < BATCH // 2
    valid = target != IGNORE_INDEX
    valid[-1, :, 12:] = False
    target[~known] = IGNORE_INDEX
    return labelled | {"target": target, "valid": valid, "labelled": known}


def batch(step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(step)
    target = torch.randint(0, CLASSES, (BATCH, *SIZE), generator=generator)
    target[0, :12], target[2, 2:] = IGNORE_INDEX, 1
    return {
        "image": torch.rand(BATCH, 3, *SIZE, generator=generator),
        "x": torch.rand(BATCH, 1, *SIZE, generator=generator)
        * torch.tensor([9, 1, 9, 1]).view(-1, 1, 1, 1),
        "target": target,
    }


def curve(method: str, rank: int, world: int) -> list[float]:
    """Mean loss over the processes at each step."""
    losses = Losses(method)
    trained: nn.Module = DistributedDataParallel(losses) if world > 1 else losses
    optimizer = torch.optim.SGD((p for p in losses.parameters() if p.requires_grad), lr=0.05)
    means = []
    for step in range(STEPS if method in PER_PIXEL else 3):
        whole = mixed(batch(step)) if method == DRIVE else batch(step)
        mine = {key: value[rank::world] for key, value in whole.items()}
        torch.manual_seed(step)
        loss = trained(mine)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        if world > 1:
            dist.all_reduce(mean)
        means.append(mean.item() / world)
    return means


def work(rank: int, world: int, output: str) -> None:
    torch.set_num_threads(1)
    if world > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv[2]}
        dist.init_process_group("gloo", rank=rank, world_size=world)
    curves = {method: curve(method, rank, world) for method in [*METHODS, WEIGHTED, DRIVE]}
    if rank == 0:
        Path(f"{output}.{world}").write_text(json.dumps(curves))
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    work(0, 1, sys.argv[1])
    mp.spawn(work, (2, sys.argv[1]), nprocs=2)
