"""Images → label images and overlays; reading and writing overlap with the network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.deploy.pictures import (
    find_pictures,
    label_picture,
    overlay,
    read_bytes,
    read_mark,
    read_picture,
    save_png,
)
from lix.deploy.pipeline import ahead
from lix.deploy.student import Segmenter

WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Threads that read, and as many that write."""


class Job(NamedTuple):
    """An image, and the path of its results without their ending."""

    source: Path
    target: Path

    def result(self, kind: str) -> Path:
        """Such as NAME_label.png."""
        return self.target.with_name(f"{self.target.name}_{kind}.png")


class Done(NamedTuple):
    """The results of an image."""

    files: list[Path]
    skipped: bool = False
    """They were there before."""


class Picture(NamedTuple):
    """An image on its way."""

    job: Job
    mark: str
    image: Image.Image
    scores: Tensor
    """What the network sees, later its logits."""


Outcome = Done | ValueError


@dataclass(frozen=True)
class Painter:
    """Segments images in three steps, which run in threads of their own."""

    segmenter: Segmenter
    kinds: tuple[str, ...]
    """Of results: `overlay`, `label`, `confidence`."""
    opacity: float
    settings: str
    """All that results depend on beside their image; they carry a hash of both as their mark."""

    def read(self, job: Job) -> Picture | Done:
        """Done if results of the same image and settings are there."""
        mark = hashlib.sha256(self.settings.encode() + read_bytes(job.source)).hexdigest()
        files = [job.result(kind) for kind in self.kinds]
        if all(read_mark(file) == mark for file in files):
            return Done(files, skipped=True)
        image = read_picture(job.source)
        return Picture(job, mark, image, self.segmenter.prepare(np.asarray(image)))

    def score(self, picture: Picture) -> Picture:
        """The network's part."""
        return picture._replace(scores=self.segmenter.score(picture.scores, _shape(picture)))

    def write(self, picture: Picture) -> Done:
        """Write all results, each whole or not at all."""
        logits = self.segmenter.restore(picture.scores, _shape(picture))
        labels = label_picture(labels_of(logits), self.segmenter.student.spec.palette)
        made = {"label": labels, "overlay": overlay(picture.image, labels, self.opacity)}
        if "confidence" in self.kinds:
            made["confidence"] = Image.fromarray(_confidence(logits))
        job = picture.job
        return Done([save_png(made[k], job.result(k), picture.mark) for k in self.kinds])


def find_jobs(source: Path, output: Path) -> list[Job]:
    """The image, or all of a folder.

    Raises:
        ValueError: no image, two whose results would have the same name, or the output is the
            folder of the images.
    """
    if not source.is_dir():
        return [Job(source, output / source.stem)]
    if source.resolve() == output.resolve():
        raise ValueError(f"{output} holds the images; choose another output folder.")
    jobs: dict[Path, Job] = {}
    for path in find_pictures(source, without=output):
        target = output / path.relative_to(source).with_suffix("")
        if target in jobs:
            raise ValueError(
                f"{jobs[target].source} and {path} would give results of the same name; rename one."
            )
        jobs[target] = Job(path, target)
    return list(jobs.values())


def paint_all(painter: Painter, jobs: list[Job]) -> Generator[Outcome, None, None]:
    """The outcome of each job, in order; a ValueError is that of its image alone."""
    read, score, write = (
        partial(_step, work) for work in (painter.read, painter.score, painter.write)
    )
    with (
        closing(ahead(read, jobs, workers=WORKERS)) as pictures,
        closing(ahead(write, map(score, pictures), workers=WORKERS)) as outcomes,
    ):
        yield from outcomes


def _step(work: Callable[[Any], Picture | Done], given: object) -> Any:
    """Work on what is neither finished nor failed."""
    if isinstance(given, Done | ValueError):
        return given
    try:
        return work(given)
    except ValueError as error:
        return error


def labels_of(logits: Tensor) -> NDArray[np.uint8]:
    """(H, W) train ids; on the CPU, `max` is five times as fast as `argmax`."""
    labels: NDArray[np.uint8] = logits.max(dim=0).indices.byte().cpu().numpy()
    return labels


@torch.inference_mode()
def _confidence(logits: Tensor) -> NDArray[np.uint8]:
    """(H, W) softmax probability of the label * 255."""
    share = logits.softmax(dim=0).amax(dim=0)
    confidence: NDArray[np.uint8] = (share * 255).round().byte().cpu().numpy()
    return confidence


def _shape(picture: Picture) -> tuple[int, int]:
    width, height = picture.image.size
    return height, width
