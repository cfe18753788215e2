"""Image files → label images and overlays; reading and writing overlap with the network."""

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
from PIL import Image
from torch import Tensor

from lix.core.errors import is_out_of_memory
from lix.deploy.image_files import (
    find_images,
    label_image,
    overlay,
    read_bytes,
    read_fingerprint,
    read_image,
    save_png,
)
from lix.deploy.maps import Maps, finish, score
from lix.deploy.prefetch import prefetch
from lix.deploy.student import Segmenter

WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Number of threads that read, and of threads that write."""

MAX_NAME_BYTES = 255
"""Maximum length of a file's name on all common file systems."""


class ImageTask(NamedTuple):
    """An image to segment, and where its results go."""

    source: Path
    target: Path
    """Path of the results without their ending."""

    def path(self, kind: str) -> Path:
        """Path of one result, such as NAME_label.png."""
        return self.target.with_name(f"{self.target.name}_{kind}.png")


class Result(NamedTuple):
    """What became of one image."""

    files: tuple[Path, ...] = ()
    skipped: bool = False
    """Whether the files were there before."""
    error: ValueError | None = None
    """Why there are no files."""
    tiled: bool = False
    """Whether the network saw tiles that the user did not ask for."""


class LoadedImage(NamedTuple):
    """An image between reading and writing."""

    task: ImageTask
    fingerprint: str
    image: Image.Image
    values: Tensor | Maps
    """Input of the network, later its logits or, of tiles, what is made of them."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image file."""
        width, height = self.image.size
        return height, width


@dataclass(frozen=True)
class ImageSegmenter:
    """Segments image files in three steps, which run in separate threads."""

    segmenter: Segmenter
    kinds: tuple[str, ...]
    """Kinds of results: `overlay`, `label`, `confidence`."""
    opacity: float
    settings: str
    """Everything except the image that results depend on; a hash of both is their fingerprint."""

    def read(self, task: ImageTask) -> LoadedImage | Result:
        """Read an image; a result if files of the same image and settings are there."""
        _require_short(task)
        fingerprint = hashlib.sha256(self.settings.encode() + read_bytes(task.source)).hexdigest()
        files = tuple(task.path(kind) for kind in self.kinds)
        if all(read_fingerprint(file) == fingerprint for file in files):
            return Result(files, skipped=True)
        image = read_image(task.source)
        return LoadedImage(task, fingerprint, image, self.segmenter.prepare(np.asarray(image)))

    def score(self, loaded: LoadedImage) -> LoadedImage:
        """Run the network."""
        assert isinstance(loaded.values, Tensor)
        values = score(self.segmenter, loaded.values, loaded.shape, self._has_confidence)
        return loaded._replace(values=values)

    def write(self, loaded: LoadedImage) -> Result:
        """Write all results, each whole or not at all."""
        maps = finish(loaded.values, loaded.shape, self._has_confidence)
        labels = label_image(maps.labels, self.segmenter.student.spec.palette)
        images = {"label": labels, "overlay": overlay(loaded.image, labels, self.opacity)}
        if maps.confidence is not None:
            images["confidence"] = Image.fromarray(maps.confidence)
        files = {kind: loaded.task.path(kind) for kind in self.kinds}
        for kind, file in files.items():
            save_png(images[kind], file, loaded.fingerprint)
        return Result(tuple(files.values()), tiled=self.segmenter.has_own_tiles(loaded.shape))

    @property
    def _has_confidence(self) -> bool:
        return "confidence" in self.kinds


def _require_short(task: ImageTask) -> None:
    name = task.path("confidence").name
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise ValueError(f"{task.source} has a name too long for those of results; shorten it.")


def find_tasks(source: Path, output: Path) -> list[ImageTask]:
    """The tasks of an image, or of all images in a folder.

    Raises:
        ValueError: no image, two whose results would have the same name, or the output is the
            folder of the images.
    """
    if not source.is_dir():
        return [ImageTask(source, output / source.stem)]
    if source.resolve() == output.resolve():
        raise ValueError(f"{output} holds the images; choose another output folder.")
    tasks: dict[Path, ImageTask] = {}
    for path in find_images(source, without=output):
        target = output / path.relative_to(source).with_suffix("")
        if target in tasks:
            raise ValueError(
                f"{tasks[target].source} and {path} would give results of the same name; rename "
                "one."
            )
        tasks[target] = ImageTask(path, target)
    return list(tasks.values())


def segment_all(segmenter: ImageSegmenter, tasks: list[ImageTask]) -> Generator[Result, None, None]:
    """The result of each task, in order."""
    read, score, write = (
        partial(_step, work) for work in (segmenter.read, segmenter.score, segmenter.write)
    )
    with (
        closing(prefetch(read, tasks, workers=WORKERS)) as images,
        closing(prefetch(write, map(score, images), workers=WORKERS)) as results,
    ):
        yield from results


def _step(
    work: Callable[[Any], LoadedImage | Result], item: ImageTask | LoadedImage | Result
) -> Any:
    """Do one step of an image that has no result yet; an error of the image is only its own."""
    if isinstance(item, Result):
        return item
    try:
        return work(item)
    except ValueError as error:
        return Result(error=error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        task = item.task if isinstance(item, LoadedImage) else item
        return Result(error=ValueError(f"{task.source} does not fit into memory; cut it."))
