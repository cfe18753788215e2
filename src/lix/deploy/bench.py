"""Latency, throughput, memory and cost of a student on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lix.deploy.backend import AUTO, backend, backend_of, open_student
from lix.deploy.student import Student

WARM_UP = 3
"""Number of first runs that are not timed."""


@dataclass(frozen=True)
class BenchReport:
    """Measurements of a student; times are wall-clock seconds per batch, memory is in MB."""

    engine: str
    device: str
    size: tuple[int, int]
    """Height and width of the network's input."""
    batch: int
    runs: int
    median: float
    percentile_95: float
    """Time that 95 % of the runs did not exceed."""
    memory: tuple[float, float] | None
    """Memory of the process or of tensors on the GPU: before the first run and at the peak; None
    where it cannot be measured."""
    parameters: int
    macs: int
    """MACs of a batch in convolutions and matrix products."""

    @property
    def throughput(self) -> float:
        """Images per second."""
        return self.batch / self.median

    @property
    def rows(self) -> list[dict[str, str]]:
        """All measurements, for a table."""
        shown = {
            ("latency, median", "ms"): f"{1000 * self.median:.1f}",
            ("latency, 95 %", "ms"): f"{1000 * self.percentile_95:.1f}",
            ("throughput", "images/s"): f"{self.throughput:.2f}",
            ("MACs", "G"): f"{self.macs / 1e9:.2f}",
            ("parameters", "M"): f"{self.parameters / 1e6:.3f}",
        }
        if self.memory is not None:
            before, peak = self.memory
            shown["peak memory", "MB"] = f"{peak:.0f}"
            shown["of it by the runs", "MB"] = f"{peak - before:.0f}"
        return [{"": name, "value": text, "unit": unit} for (name, unit), text in shown.items()]

    @property
    def conditions(self) -> str:
        """What was measured, and where."""
        height, width = self.size
        shape = f"{self.batch} x 3 x {height} x {width}"
        return f"{self.engine} on {self.device}, {shape}, {self.runs} runs"


def bench(
    checkpoint: Path,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    engine: str = AUTO,
    threads: int = 1,
    runs: int = 30,
    device: str | torch.device | None = None,
    provider: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BenchReport:
    """Measure the bare network: no reading, resizing or painting.

    Args:
        checkpoint: run folder, checkpoint, or .onnx file of `lix export`.
        size: height and width, which grow to multiples of the size divisor as in prediction;
            default: the training size.
        batch: images at a time.
        engine: what computes; see `open_student`.
        threads: number of CPU threads.
        runs: number of batches that are timed.
        device: such as `cuda:1`; default: the accelerator, else the CPU.
        provider: execution provider of ONNX Runtime; see `open_student`.
        progress: called with the number of finished runs, and of all runs.

    Raises:
        ValueError: a size, batch or number of runs below 1, a size that the network cannot take,
            or as `open_student`.
        ModuleNotFoundError, FileNotFoundError: as `open_student`.
    """
    if min(batch, runs, *(size or (1,))) < 1:
        raise ValueError("Size, batch and number of runs must be at least 1.")
    student = open_student(
        checkpoint, engine=engine, threads=threads, device=device, provider=provider
    )
    height, width = (n + -n % student.size_divisor for n in size or student.spec.size)
    seconds, memory = _measure(student, torch.rand(batch, 3, height, width), runs, progress)
    numbers = (backend_of(checkpoint) or backend("torch")).cost(checkpoint, batch, height, width)
    return BenchReport(
        student.engine,
        str(student.device),
        (height, width),
        batch,
        runs,
        float(np.median(seconds)),
        float(np.percentile(seconds, 95)),
        memory,
        *numbers,
    )


def _measure(
    student: Student, images: torch.Tensor, runs: int, progress: Callable[[int, int], None] | None
) -> tuple[list[float], tuple[float, float] | None]:
    images = images.to(student.device)
    before = _megabytes(student.device)
    (seconds,) = take_turns([student], images, runs, progress)
    after = _megabytes(student.device)
    return seconds, None if before is None or after is None else (before[0], after[1])


@torch.inference_mode()
def take_turns(
    students: Sequence[Student],
    images: torch.Tensor,
    runs: int,
    progress: Callable[[int, int], None] | None,
) -> list[list[float]]:
    """Seconds of each run of each student, which take turns, so that they share disturbances.

    Args:
        students: students of one device.
        images: a batch on that device.
        runs: number of runs that are timed, after `WARM_UP` others.
        progress: called with the number of finished runs, and of all runs.
    """
    seconds: list[list[float]] = [[] for _ in students]
    for run in range(-WARM_UP, runs):
        for student, times in zip(students, seconds, strict=True):
            start = time.perf_counter()
            student.logits(images)
            if student.device.type != "cpu":
                torch.accelerator.synchronize(student.device)
            if run >= 0:
                times.append(time.perf_counter() - start)
        if progress is not None and run >= 0:
            progress(run + 1, runs)
    return seconds


def _megabytes(device: torch.device) -> tuple[float, float] | None:
    """Memory in use now, and the peak since the previous call."""
    if device.type == "cuda":
        used = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return used[0] / 2**20, used[1] / 2**20
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak
