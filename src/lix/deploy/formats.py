"""A student in all formats that lix exports: mIoU, latency and size, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import torch
from numpy.typing import NDArray

from lix.core.errors import DataError, require
from lix.core.registry import entries
from lix.deploy.backend import backend, open_student
from lix.deploy.bench import take_turns
from lix.deploy.export import export_onnx
from lix.deploy.quantise import folder_images, miou, run_split, training_images, write_int8
from lix.deploy.student import Segmenter, Student
from lix.runs.data import evaluation_loader

FLOAT = "float32"


@dataclass(frozen=True)
class Format:
    """A student in one format."""

    engine: str
    numbers: str
    """`float32`, or `int8` and what it was calibrated on."""
    miou: float | None
    """On the run's validation split, in [0, 1]; None where the data cannot be read."""
    median: float
    """Seconds of the network for one picture at the training size."""
    percentile_95: float
    size: int
    """Bytes of the files."""


@dataclass(frozen=True)
class Formats:
    """Measurements of one student; the first is PyTorch's."""

    rows: tuple[Format, ...]
    conditions: str
    why_unknown: str = ""
    """Sentence on why there is no mIoU."""

    @property
    def table(self) -> list[dict[str, str]]:
        """All measurements as text."""
        first = self.rows[0].miou
        return [
            {
                "engine": row.engine,
                "numbers": row.numbers,
                "mIoU %": "–" if row.miou is None else f"{100 * row.miou:.2f}",
                "points": "–"
                if row.miou is None or first is None
                else f"{100 * (row.miou - first):+.2f}",
                "median ms": f"{1000 * row.median:.1f}",
                "95 % ms": f"{1000 * row.percentile_95:.1f}",
                "MB": f"{row.size / 1e6:.2f}",
            }
            for row in self.rows
        ]


def compare_formats(
    checkpoint: Path,
    folders: Sequence[Path] = (),
    *,
    threads: int = 1,
    runs: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> Formats:
    """Measure a student in every engine that is installed, with floats and with 8-bit integers.

    The engines take turns, picture by picture, so that what else the machine does falls on all.

    Args:
        checkpoint: run folder or checkpoint of a student.
        folders: folders of RGB images, such as unlabelled frames, on each of which one file is
            calibrated; another is calibrated on the run's training images where they can be read.
        threads: number of CPU threads.
        runs: number of pictures that are timed.
        progress: called with the number of steps done, and of all steps.

    Raises:
        ModuleNotFoundError: the extra `export` is missing.
        FileNotFoundError: no checkpoint.
        ValueError: as `export_onnx`; nothing to calibrate on, damaged images, or fewer than one
            run or thread.
    """
    require("export", "onnx", "onnxscript", "onnxruntime")
    if runs < 1:
        raise ValueError("The number of runs must be at least 1.")
    student = open_student(checkpoint, device="cpu", threads=threads)
    calibrations = list(_calibrations(checkpoint, student, folders))
    with TemporaryDirectory() as folder:
        drafts = list(_drafts(checkpoint, student, calibrations, Path(folder), threads))
        students = [draft.student for draft in drafts]
        height, width = student.spec.size
        scores, why_unknown = _scores(checkpoint, students, progress)
        seconds = take_turns(students, torch.rand(1, 3, height, width), runs, progress)
    rows = (
        Format(
            draft.student.engine,
            draft.numbers,
            score,
            float(np.median(times)),
            float(np.percentile(times, 95)),
            draft.size,
        )
        for draft, score, times in zip(drafts, scores, seconds, strict=True)
    )
    shape = f"1 x 3 x {height} x {width}"
    return Formats(tuple(rows), f"cpu, {threads} thread(s), {shape}, {runs} runs", why_unknown)


@dataclass(frozen=True)
class _Draft:
    student: Student
    numbers: str
    size: int


Calibration = tuple[str, list[NDArray[np.float32]]]
"""What a file is calibrated on, in words, and the batches that the network sees of it."""


def _calibrations(
    checkpoint: Path, student: Student, folders: Sequence[Path]
) -> Iterator[Calibration]:
    prepare = Segmenter(student).prepare
    try:
        batches = [prepare(picture).numpy() for picture in training_images(checkpoint, student)]
        yield f"int8, {len(batches)} training images", batches
    except ValueError:
        if not folders:
            raise
    for folder in folders:
        batches = [prepare(p).numpy() for p in folder_images(folder, checkpoint)]
        yield f"int8, {len(batches)} images of {folder}", batches


def _drafts(
    checkpoint: Path,
    student: Student,
    calibrations: Sequence[Calibration],
    folder: Path,
    threads: int,
) -> Iterator[_Draft]:
    """The student of the checkpoint and of each file, the files of one kind of numbers together."""
    weights = folder / "student.safetensors"
    backend("torch").write(checkpoint, weights)
    yield _Draft(student, FLOAT, weights.stat().st_size)
    exported = export_onnx(checkpoint, folder / "float.onnx").path
    yield from _opened(exported, FLOAT, threads)
    for numbers, batches in calibrations:
        quantised = folder / "int8.onnx"
        write_int8(exported, quantised, batches)
        yield from _opened(quantised, numbers, threads)


def _opened(onnx: Path, numbers: str, threads: int) -> Iterator[_Draft]:
    for name in entries("backends"):
        engine = backend(name)
        if name == "torch":
            continue
        folder = Path(mkdtemp(dir=onnx.parent))
        draft = (folder / "student").with_suffix(engine.suffixes[0])
        try:
            engine.from_onnx(onnx, draft)
        except ModuleNotFoundError:
            continue
        size = sum(file.stat().st_size for file in folder.iterdir())
        yield _Draft(engine.open(draft, device="cpu", threads=threads), numbers, size)


def _scores(
    checkpoint: Path, students: list[Student], progress: Callable[[int, int], None] | None
) -> tuple[Sequence[float | None], str]:
    try:
        data, dataset = run_split(checkpoint, students[0], "val")
    except DataError as error:
        return [None] * len(students), str(error)
    loader = evaluation_loader(data, dataset, with_x=False)
    return miou(students, loader, dataset.left_out, progress), ""
