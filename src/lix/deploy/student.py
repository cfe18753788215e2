"""A trained student that segments pictures of any size, with any engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import NetworkSpec, load_network

Size = Literal["train", "native"] | tuple[int, int]
"""What the network sees of a picture: all of it at the training size, at its own, or at (H, W)."""

Logits = Callable[[Tensor], Tensor]
"""(B, 3, H, W) float32 RGB in [0, 1], H and W multiples of the size divisor → (B, K, H, W)."""


@dataclass(frozen=True)
class Student:
    """A student that an engine has opened."""

    engine: str
    """Name of the backend."""
    logits: Logits
    spec: NetworkSpec
    size_divisor: int
    device: torch.device
    """Device of the batch that `logits` takes."""


def load_student(checkpoint: Path) -> tuple[SegNetwork, NetworkSpec]:
    """Load a network that sees only RGB.

    Raises:
        FileNotFoundError, ValueError: no checkpoint, a damaged one, or a teacher's.
    """
    network, spec = load_network(checkpoint)
    if network.x_channels:
        raise ValueError(
            f"{checkpoint} is a teacher: next to RGB it needs {network.x_channels} channel(s) of "
            f"{spec.x_kind or 'X'}; name a student, such as one that lix distill has trained."
        )
    return network, spec


class Segmenter:
    """A student that takes the pixels of one picture and scores its classes at the same size.

    The picture is resized as in training, padded at the right and the bottom to what the network
    can take, and the logits are resized back bilinearly. A call does `prepare`, `score` and
    `restore`, which may run in separate threads.

    Args:
        student: what computes the logits.
        size: size of what the network sees.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, student: Student, *, size: Size = "train") -> None:
        self.student = student
        self.size = student.spec.size if size == "train" else size
        if self.size != "native" and min(self.size) < 1:
            raise ValueError(f"The size is {self.size}; height and width must be at least 1.")

    def __call__(self, image: NDArray[np.uint8]) -> Tensor:
        """Score one picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (K, H, W) logits on the student's device.

        Raises:
            ValueError: other pixels, or a picture too large for the memory.
        """
        shape = image.shape[:2]
        return self.restore(self.score(self.prepare(image), shape), shape)

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """(H, W, 3) uint8 RGB → the (1, 3, h, w) batch that the network sees, on the CPU."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"A picture must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}."
            )
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if self.size != "native":
            pixels = TF.resize(pixels, list(self.size), antialias=True)
        height, width = pixels.shape[-2:]
        divisor = self.student.size_divisor
        batch = pixels[None].float() / 255.0
        return F.pad(batch, (0, -width % divisor, 0, -height % divisor), mode="replicate")

    @torch.inference_mode()
    def score(self, batch: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(1, K, h, w) logits of a prepared picture of (H, W), without the padding."""
        height, width = shape if self.size == "native" else self.size
        with self._memory(shape):
            logits = self.student.logits(batch.to(self.student.device))
        return logits[..., :height, :width]

    @torch.inference_mode()
    def restore(self, logits: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(1, K, h, w) logits → (K, H, W)."""
        if tuple(logits.shape[-2:]) == tuple(shape):
            return logits[0]
        with self._memory(shape):
            return F.interpolate(logits, list(shape), mode="bilinear")[0]

    @contextmanager
    def _memory(self, shape: tuple[int, ...]) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise ValueError(
                f"A picture of {shape[0]}x{shape[1]} does not fit into the memory of "
                f"{self.student.device}; choose a smaller size."
            ) from None
