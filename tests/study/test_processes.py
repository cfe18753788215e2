"""Trainings of one machine are spread over its GPUs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import lix.study.processes
from lix.runs.recipe import Recipe
from lix.study.plan import Job
from lix.study.processes import GpuPool, visible_gpus


def test_each_training_gets_the_gpu_that_the_fewest_use(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str | None] = []
    ended: set[int] = set()

    def start_here(_: Job, environment: dict[str, str] | None = None) -> SimpleNamespace:
        number = len(given)
        given.append(environment and environment["CUDA_VISIBLE_DEVICES"])
        return SimpleNamespace(poll=lambda: 0 if number in ended else None)

    monkeypatch.setattr(lix.study.processes, "start_here", start_here)
    start = GpuPool(["3", "GPU-5"])
    job = Job("a", Recipe(output=Path("a")))
    for _ in range(4):
        start(job)
    assert given == ["3", "GPU-5", "3", "GPU-5"]
    ended |= {1, 3}
    start(job)
    assert given[4] == "GPU-5"
    for settings in ({"accelerator": "cpu"}, {"devices": 2}):
        training = job.recipe.training.model_copy(update=settings)
        start(Job("b", job.recipe.model_copy(update={"training": training})))
    assert given[5:] == [None, None]


def test_gpus_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.cuda.is_available() or visible_gpus() == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert visible_gpus() == ["4", "7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == ["0", "1"]
