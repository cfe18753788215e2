"""A student in Python: pictures in memory or on disk → labels, confidence and overlays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.deploy.backend import AUTO, open_student
from lix.deploy.image_files import label_image, overlay, read_image
from lix.deploy.maps import labels_of
from lix.deploy.student import Segmenter, Size

Picture = str | Path | Image.Image | NDArray[np.uint8] | Tensor
"""A file, a Pillow image, (H, W, 3) uint8 RGB, or a tensor (3, H, W): uint8, or float in [0, 1]."""


@dataclass(frozen=True)
class Prediction:
    """What a student says of one picture of H x W."""

    image: Image.Image
    """The picture, RGB."""
    logits: Tensor
    """(K, H, W) class scores."""
    classes: tuple[str, ...]
    """Names by train id."""
    palette: tuple[tuple[int, int, int], ...]
    """RGB by train id."""

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W) train ids."""
        return labels_of(self.logits)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(H, W) softmax probability of the label, in [0, 1]."""
        confidence: NDArray[np.float32] = self.logits.softmax(dim=0).amax(dim=0).cpu().numpy()
        return confidence

    def overlay(self, opacity: float = 0.5) -> Image.Image:
        """The class colours over the picture.

        Args:
            opacity: opacity of the colours, in [0, 1].
        """
        return overlay(self.image, label_image(self.labels, self.palette), opacity)

    def legend(self) -> dict[str, tuple[int, int, int]]:
        """Name → RGB of the classes in this picture, the largest first."""
        pixels = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        order = np.argsort(-pixels, kind="stable")
        return {self.classes[i]: self.palette[i] for i in order if pixels[i]}


class Predictor:
    """A trained student that predicts pictures one by one.

    Args:
        path: run folder, checkpoint, .safetensors, .onnx or .xml file of a student.
        size: what the network sees: the picture at the training size (`train`), at its own
            (`native`) or at (H, W).
        engine: what computes; `auto` is the engine of the file's suffix, else PyTorch.
        threads: number of CPU threads.
        device: such as `cuda:1`; default: the accelerator, else the CPU.
        provider: execution provider of ONNX Runtime, such as `tensorrt`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a teacher, a damaged or foreign file, or a wrong option.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: Size = "train",
        engine: str = AUTO,
        threads: int = 1,
        device: str | torch.device | None = None,
        provider: str | None = None,
    ) -> None:
        student = open_student(
            Path(path), engine=engine, threads=threads, device=device, provider=provider
        )
        self.segmenter = Segmenter(student, size=size)
        self.classes, self.palette = student.spec.classes, student.spec.palette

    @overload
    def predict(self, picture: Picture) -> Prediction: ...
    @overload
    def predict(self, picture: list[Picture] | tuple[Picture, ...]) -> list[Prediction]: ...
    def predict(
        self, picture: Picture | list[Picture] | tuple[Picture, ...]
    ) -> Prediction | list[Prediction]:
        """Segment one picture, or each of a list.

        Raises:
            ValueError: a file that cannot be read, or pixels of another shape or type.
        """
        if isinstance(picture, list | tuple):
            return [self.predict(one) for one in picture]
        image = as_image(picture)
        logits = self.segmenter(np.asarray(image))
        return Prediction(image, logits, self.classes, self.palette)

    def predict_all(self, pictures: Iterable[Picture]) -> Iterable[Prediction]:
        """Segment pictures as they come, without keeping them."""
        return map(self.predict, pictures)


def as_image(picture: Picture) -> Image.Image:
    """A picture of any kind as a Pillow image in RGB.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that cannot be read, or pixels of another shape or type.
    """
    if isinstance(picture, str | Path):
        if not Path(picture).is_file():
            raise FileNotFoundError(f"{picture} is missing; name an image file.")
        return read_image(Path(picture))
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    pixels = _from_tensor(picture) if isinstance(picture, Tensor) else picture
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"An array must be (H, W, 3) uint8 RGB, got {pixels.shape} {pixels.dtype}."
        )
    return Image.fromarray(pixels)


def _from_tensor(picture: Tensor) -> NDArray[np.uint8]:
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(
            f"A tensor must be (3, H, W), got {tuple(picture.shape)}; pass a batch as a list."
        )
    if picture.is_floating_point():
        low, high = float(picture.min()), float(picture.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"A tensor of floats must lie in [0, 1], got {low:g} to {high:g}; undo its "
                "normalisation."
            )
        picture = (picture * 255).round().byte()
    pixels: NDArray[np.uint8] = picture.cpu().permute(1, 2, 0).contiguous().numpy()
    return pixels
