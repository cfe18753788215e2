"""Which GPU of this machine a training runs on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import torch

from lix.study.jobs import Job, Process, start_here


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


class Spread:
    """Starts trainings on this machine, each on the GPU that the fewest of them use.

    Trainings on the CPU and those of several devices are started as they are.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self.gpus = gpus
        self._started: list[tuple[str, Process]] = []

    def __call__(self, job: Job) -> Process:
        training = job.recipe.training
        if not self.gpus or training.accelerator == "cpu" or training.devices > 1:
            return start_here(job)
        self._started = [(gpu, one) for gpu, one in self._started if one.poll() is None]
        busy = Counter(gpu for gpu, _ in self._started)
        gpu = min(self.gpus, key=busy.__getitem__)
        process = start_here(job, {"CUDA_VISIBLE_DEVICES": gpu})
        self._started.append((gpu, process))
        return process
