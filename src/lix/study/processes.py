"""Trainings as processes of this machine, spread over its GPUs."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from lix.core.processes import PARENT
from lix.study.plan import Job


class Process(Protocol):
    """A training that was started, as `subprocess.Popen` has it."""

    def poll(self) -> int | None:
        """Exit code, None while it runs."""

    def terminate(self) -> None:
        """Ask it to stop; it can be resumed."""

    def wait(self) -> int:
        """Block until it has stopped."""


def start_here(job: Job, environment: Mapping[str, str] | None = None) -> Process:
    """Start a training on this machine; what it prints goes to `log.txt` in its folder.

    Args:
        job: the training.
        environment: variables that it gets in addition to those of this process and its own.
    """
    command = job.command()
    with job.folder.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                **job.environment,
                **(environment or {}),
                PARENT: str(os.getpid()),
            },
        )


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


class GpuPool:
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
