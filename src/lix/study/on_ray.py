"""The trainings of a study on a Ray cluster: one task each, the same command as on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lix.core.errors import require
from lix.core.processes import PARENT, outside_of_current_folder
from lix.study.plan import Job
from lix.study.processes import Process


def connect(
    address: str | None, console: Console, jobs: Sequence[Job]
) -> tuple[Callable[[Job], Process], int]:
    """Connect to a cluster, or start one on this machine.

    Args:
        address: of an existing cluster, such as `auto` or `ray://HOST:10001`; None: a local one.
        console: where the cluster's size is shown.
        jobs: all trainings. Each takes the CPUs of its threads and loading processes and, where
            the cluster has GPUs and its recipe may use them, as many as its recipe's devices.

    Returns:
        What starts a job, and how many jobs the cluster runs at a time.

    Raises:
        ModuleNotFoundError: Ray is missing.
        ValueError: no cluster answers.
    """
    require("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # lix sends nothing anywhere
    import ray

    try:
        with outside_of_current_folder():  # Ray puts it on the path of its workers
            ray.init(
                address=address,
                ignore_reinit_error=True,
                include_dashboard=False,
                log_to_driver=False,
            )
    except (ConnectionError, ValueError) as error:
        raise ValueError(
            f"No Ray cluster answers at {address} ({error}); start one with `ray start --head`."
        ) from None
    cpus, gpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("CPU", "GPU"))
    console.print(f"Ray cluster of {cpus} CPUs and {gpus} GPUs")
    train = ray.remote(max_retries=0)(_train)

    def start(job: Job) -> Process:
        log = str(job.folder.log.absolute())
        task = train.options(**_needs(job, cpus, gpus))
        return _Task(task.remote(job.command(), job.environment, log))

    needs = [_needs(job, cpus, gpus) for job in jobs]
    return start, max(min(_fit(cpus, n["num_cpus"]), _fit(gpus, n["num_gpus"])) for n in needs)


def _needs(job: Job, cpus: int, gpus: int) -> dict[str, int]:
    """The CPUs and GPUs of a training, at most all of the cluster, so that it can start."""
    training = job.recipe.training
    on_gpu = training.accelerator != "cpu"
    needed = training.devices * (training.threads + training.workers)
    return {"num_cpus": min(needed, cpus), "num_gpus": min(training.devices, gpus) if on_gpu else 0}


def _fit(available: int, needed: int) -> int:
    return available // needed if needed else sys.maxsize


def _train(command: list[str], environment: dict[str, str], log: str) -> int:
    """Run a training on a worker."""
    with Path(log).open("ab") as file:
        done = subprocess.run(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment, PARENT: str(os.getpid())},
            check=False,
        )
    return done.returncode


class _Task:
    """A task of Ray as a process."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def poll(self) -> int | None:
        import ray

        ready, _ = ray.wait([self._reference], timeout=0)
        return self.wait() if ready else None

    def terminate(self) -> None:
        import ray

        ray.cancel(self._reference, force=True)

    def wait(self) -> int:
        import ray

        try:
            return int(ray.get(self._reference))
        except ray.exceptions.RayError:
            return 1
