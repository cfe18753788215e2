"""Predictions of a student on an image, a folder of images or a video.

An image gives `NAME_overlay.png` (class colours over the image), `NAME_label.png` (mode P: pixel
values are the train ids) and, if asked for, `NAME_confidence.png` (8-bit grey: softmax probability
of the label * 255), each of the image's own size; a video gives `NAME_overlay.mp4` and, if asked
for, `NAME_label.mkv` (`label_video`). Sub-folders of a folder are kept. A few images are in memory
at a time: while the network works on one, threads read the next and write the last.

Results carry a hash of their image, the checkpoint, the options and the version of lix (the PNG
text `lix`) and a checksum. An image whose results carry the hash they would get, and are whole, is
skipped; anything else is written anew. A video always is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lix import __version__
from lix.deploy import video
from lix.deploy.backend import AUTO, open_student
from lix.deploy.image_files import label_image, overlay
from lix.deploy.images import ImageSegmenter, ImageTask, find_tasks, segment_all
from lix.deploy.label_video import Labels, label_video
from lix.deploy.legend import write_legend
from lix.deploy.maps import Maps, finish, score
from lix.deploy.prefetch import prefetch
from lix.deploy.student import Segmenter, Size
from lix.deploy.video import Frame
from lix.runs.checkpoint import NetworkSpec, checkpoint_file

Progress = Callable[[int, int], None]
"""Called with the number of finished images or frames, and of all of them (0 = unknown)."""


class Predictions(NamedTuple):
    """Results in the output folder."""

    files: list[Path]
    skipped: int = 0
    """Number of images whose results were there before."""
    tiled: int = 0
    """Number of images, or frames of a video, that the network saw in tiles of `OWN_TILE`, as they
    are too large for one piece."""


def predict(
    checkpoint: Path,
    source: Path,
    output: Path,
    *,
    size: Size = "train",
    tile: tuple[int, int] | None = None,
    confidence: bool = False,
    labels: bool = False,
    opacity: float = 0.5,
    legend: bool = True,
    engine: str = AUTO,
    threads: int = 1,
    device: str | torch.device | None = None,
    provider: str | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Segment pictures with a student, which sees only RGB.

    Args:
        checkpoint: run folder or checkpoint of a student, or its .onnx file.
        source: an image, a folder that is searched with its sub-folders, or a video.
        output: folder of the results; made if missing.
        size: what the network sees: the picture at the training size (`train`), at its own
            (`native`) or at (H, W); see `Segmenter`.
        tile: (H, W) of overlapping windows of the picture at its own size, which the network sees
            one by one: for networks trained on crops. A picture of more than `MAX_PIXELS` at its
            own size is segmented in tiles of `OWN_TILE` (`lix.deploy.student`) where this is None.
        confidence: write the confidence too; only for images.
        labels: write the labels of a video too; images always get theirs.
        opacity: opacity of the colours, in [0, 1].
        legend: write `legend.png` and `classes.json` too, which are not among the results.
        engine: what computes; see `open_student`.
        threads: number of threads of the network on the CPU.
        device: such as `cuda:1`; default: the accelerator, else the CPU.
        provider: execution provider of ONNX Runtime; see `open_student`.
        progress: called after every image or frame.

    Raises:
        FileNotFoundError: no checkpoint or no source.
        ModuleNotFoundError: the source is a video and PyAV is missing, or ONNX Runtime is.
        ValueError: a teacher's checkpoint, a wrong option, a folder without images, or pictures
            that cannot be read; the others of their folder are done by then.
        OSError: the output cannot be written.
    """
    checkpoint, source, output = Path(checkpoint), Path(source), Path(output)
    is_video = source.suffix.lower() in video.SUFFIXES
    _check(source, opacity, of_video=is_video and confidence)
    tasks = [] if is_video else find_tasks(source, output)
    student = open_student(
        checkpoint, engine=engine, threads=threads, device=device, provider=provider
    )
    segmenter = Segmenter(student, size=size, tile=tile)
    with _explained(output, student.spec) if legend else nullcontext():
        if is_video:
            return _repaint_video(segmenter, source, output, opacity, labels, progress)
        digest = _digest(checkpoint_file(checkpoint))
        settings = [__version__, digest, student.engine, segmenter.size, segmenter.tile, opacity]
        kinds = ("overlay", "label", "confidence") if confidence else ("overlay", "label")
        return _segment(ImageSegmenter(segmenter, kinds, opacity, repr(settings)), tasks, progress)


def _check(source: Path, opacity: float, *, of_video: bool) -> None:
    if not source.exists():
        raise FileNotFoundError(f"{source} is missing; name an image, a folder or a video.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity is {opacity}; choose one from 0 to 1.")
    if of_video:
        raise ValueError(f"{source} is a video; only images get a confidence.")


@contextmanager
def _explained(output: Path, spec: NetworkSpec) -> Generator[None, None, None]:
    """Write the legend next to the results of the block, also where only some are done."""
    try:
        yield
    finally:
        if next(output.rglob("*_overlay.*"), None):
            write_legend(output, spec.classes, spec.palette)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _segment(
    segmenter: ImageSegmenter, tasks: list[ImageTask], progress: Progress | None
) -> Predictions:
    files: list[Path] = []
    errors: dict[Path, str] = {}
    skipped = tiled = 0
    with closing(segment_all(segmenter, tasks)) as results:
        for done, (task, result) in enumerate(zip(tasks, results, strict=True), start=1):
            files += result.files
            skipped += result.skipped
            tiled += result.tiled
            if result.error is not None:
                errors[task.source] = str(result.error)
            if progress is not None:
                progress(done, len(tasks))
    if errors:
        raise ValueError(_report(errors, len(tasks)))
    return Predictions(files, skipped, tiled)


def _report(errors: dict[Path, str], total: int) -> str:
    first = next(iter(errors.values()))
    if total == 1:
        return first
    names = ", ".join(map(str, errors))
    return f"{len(errors)} of {total} images failed ({names}), the others are done; {first}"


def _repaint_video(
    segmenter: Segmenter,
    source: Path,
    output: Path,
    opacity: float,
    with_labels: bool,
    progress: Progress | None,
) -> Predictions:
    tiled = 0
    target, label_target = (output / f"{source.stem}_{end}" for end in ("overlay.mp4", "label.mkv"))

    def prepare(frame: Frame) -> tuple[Frame, Tensor]:
        return frame, segmenter.prepare(frame)

    def scored(prepared: tuple[Frame, Tensor]) -> tuple[Frame, Tensor | Maps]:
        nonlocal tiled
        frame, batch = prepared
        height, width = frame.shape[:2]
        tiled += segmenter.has_own_tiles((height, width))
        return frame, score(segmenter, batch, (height, width))

    def colour(of_frame: tuple[Frame, Tensor | Maps]) -> tuple[Frame, Labels]:
        frame, values = of_frame
        height, width = frame.shape[:2]
        labels = finish(values, (height, width)).labels
        coloured = label_image(labels, segmenter.student.spec.palette)
        return np.asarray(overlay(Image.fromarray(frame), coloured, opacity)), labels

    def paint(frames: Iterator[Frame]) -> Generator[Frame, None, None]:
        with (
            closing(prefetch(prepare, frames)) as prepared,
            closing(prefetch(colour, map(scored, prepared))) as painted,
        ):
            for frame, labels in painted:
                if keep:
                    keep(labels)
                yield frame

    rate = video.frame_rate(source)
    with label_video(label_target, rate) if with_labels else nullcontext() as keep:
        video.repaint(source, target, paint, progress)
    return Predictions([target, label_target] if with_labels else [target], tiled=tiled)
