"""An image, a folder of images or a video → what a student sees in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.deploy import video
from lix.deploy.pictures import find_pictures, label_picture, overlay, read_picture, save_png
from lix.deploy.student import Segmenter, Size, load_student

Progress = Callable[[int, int], None]
"""Called with the number of finished images or frames and that of all, 0 = unknown."""


def predict(
    checkpoint: Path,
    source: Path,
    output: Path,
    *,
    size: Size = "train",
    confidence: bool = False,
    opacity: float = 0.5,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Segment pictures with a student, from RGB alone.

    An image gives `NAME_overlay.png` (class colours over the image), `NAME_label.png` (mode P:
    pixel values are the train ids) and, if asked for, `NAME_confidence.png` (8-bit grey: softmax
    probability of the label * 255), each of the image's own size; a video gives
    `NAME_overlay.mp4`. Sub-folders of a folder are kept. One picture is in memory at a time.

    Args:
        checkpoint: run folder or checkpoint of a student.
        source: an image, a folder that is searched with its sub-folders, or a video.
        output: folder of the results; made if missing.
        size: what the network sees: the picture at the training size (`train`), at its own
            (`native`) or at (H, W); see `Segmenter`.
        confidence: write the confidence too; images alone.
        opacity: of the colours, in [0, 1].
        device: such as `cuda:1`; default: the accelerator, else the CPU.
        progress: called after every image or frame.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: no checkpoint or no source.
        ModuleNotFoundError: the source is a video and PyAV is missing.
        ValueError: a teacher's checkpoint, a wrong option, a folder without images, or pictures
            that cannot be read; the others of their folder are done by then.
        OSError: the output cannot be written.
    """
    source, output = Path(source), Path(output)
    if not source.exists():
        raise FileNotFoundError(f"{source} is missing; name an image, a folder or a video.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity is {opacity}; choose one from 0 to 1.")
    is_video = source.suffix.lower() in video.SUFFIXES
    if is_video and confidence:
        raise ValueError(f"{source} is a video; the confidence is written for images alone.")
    jobs = {} if is_video else _jobs(source, output)
    segmenter = Segmenter(*load_student(checkpoint), size=size, device=device)
    if is_video:
        return [_repaint_video(segmenter, source, output, opacity, progress)]
    return _paint_images(segmenter, jobs, opacity, progress, with_confidence=confidence)


def _jobs(source: Path, output: Path) -> dict[Path, Path]:
    """Results' path without ending → image."""
    if not source.is_dir():
        return {output / source.stem: source}
    if source.resolve() == output.resolve():
        raise ValueError(f"{output} holds the images; choose another output folder.")
    jobs: dict[Path, Path] = {}
    for path in find_pictures(source, without=output):
        target = output / path.relative_to(source).with_suffix("")
        if target in jobs:
            raise ValueError(
                f"{jobs[target]} and {path} would give results of the same name; rename one."
            )
        jobs[target] = path
    return jobs


def _paint_images(
    segmenter: Segmenter,
    jobs: dict[Path, Path],
    opacity: float,
    progress: Progress | None,
    *,
    with_confidence: bool,
) -> list[Path]:
    written: list[Path] = []
    failed: dict[Path, str] = {}
    for done, (target, path) in enumerate(jobs.items(), start=1):
        try:
            image = read_picture(path)
            logits = segmenter(np.asarray(image))
        except ValueError as error:
            failed[path] = str(error)
        else:
            pictures = _pictures(image, logits, segmenter, opacity, with_confidence=with_confidence)
            for kind, picture in pictures.items():
                written.append(save_png(picture, target.with_name(f"{target.name}_{kind}.png")))
        if progress is not None:
            progress(done, len(jobs))
    if failed:
        raise ValueError(_report(failed, len(jobs)))
    return written


def _pictures(
    image: Image.Image,
    logits: Tensor,
    segmenter: Segmenter,
    opacity: float,
    *,
    with_confidence: bool,
) -> dict[str, Image.Image]:
    labels = label_picture(_labels(logits), segmenter.spec.palette)
    pictures = {"overlay": overlay(image, labels, opacity), "label": labels}
    if with_confidence:
        share = logits.softmax(dim=0).amax(dim=0)
        pictures["confidence"] = Image.fromarray((share * 255).round().byte().cpu().numpy())
    return pictures


def _report(failed: dict[Path, str], total: int) -> str:
    first = next(iter(failed.values()))
    if total == 1:
        return first
    names = ", ".join(map(str, failed))
    return f"{len(failed)} of {total} images failed ({names}), the others are done; {first}"


def _repaint_video(
    segmenter: Segmenter, source: Path, output: Path, opacity: float, progress: Progress | None
) -> Path:
    def paint(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels = label_picture(_labels(segmenter(frame)), segmenter.spec.palette)
        return np.asarray(overlay(Image.fromarray(frame), labels, opacity))

    target = output / f"{source.stem}_overlay.mp4"
    video.repaint(source, target, paint, progress)
    return target


def _labels(logits: Tensor) -> NDArray[np.uint8]:
    """(H, W) train ids; on the CPU, `max` is five times as fast as `argmax`."""
    labels: NDArray[np.uint8] = logits.max(dim=0).indices.byte().cpu().numpy()
    return labels
