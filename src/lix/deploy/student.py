"""A trained student that segments pictures of any size, with any engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from lix.core.errors import is_out_of_memory
from lix.deploy.regions import Region, spans
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import NetworkSpec, load_network

Size = Literal["train", "native"] | tuple[int, int]
"""What the network sees of a picture: all of it at the training size, at its own, or at (H, W)."""

Logits = Callable[[Tensor], Tensor]
"""(B, 3, H, W) float32 RGB in [0, 1], H and W multiples of the size divisor → (B, K, H, W)."""


MAX_PIXELS = 1 << 22
"""Maximum number of pixels of a picture of its own size that the network sees in one piece: the
networks of lix need 0.5 to 1.7 GB a megapixel."""
OWN_TILE = (1024, 1024)
"""Height and width of the tiles in which a larger one is seen, unless the user names others."""


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
        tile: (H, W) of overlapping windows of the picture at its own size, which the network sees
            one by one in place of the whole; None: the whole at `size` or, of native pictures of
            more than `MAX_PIXELS`, windows of `OWN_TILE`.

    Raises:
        ValueError: a size below 1, or tiles of a picture that is resized.
    """

    def __init__(
        self, student: Student, *, size: Size = "train", tile: tuple[int, int] | None = None
    ) -> None:
        self.student, self.tile = student, tile
        if tile is not None and size == "train":
            size = "native"
        self.size = student.spec.size if size == "train" else size
        if self.size != "native" and min(self.size) < 1:
            raise ValueError(f"The size is {self.size}; height and width must be at least 1.")
        if tile is not None and (min(tile) < 1 or self.size != "native"):
            raise ValueError(
                f"The tile is {tile}; its height and width must be at least 1, and tiles are cut "
                "out of pictures of their own size, so leave --size out."
            )

    def tile_of(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """(H, W) of the windows in which a picture of (H, W) is seen; None: in one piece."""
        is_large = self.size == "native" and shape[0] * shape[1] > MAX_PIXELS
        return OWN_TILE if self.tile is None and is_large else self.tile

    def has_own_tiles(self, shape: tuple[int, ...]) -> bool:
        """Whether it sees a picture of (H, W) in tiles that nobody asked for."""
        return self.tile is None and self.tile_of(shape) is not None

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
        if self.tile_of(image.shape) is not None:
            return pixels[None]
        if self.size != "native":
            pixels = TF.resize(pixels, list(self.size), antialias=True)
        return self._padded(pixels[None])

    def _padded(self, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        divisor = self.student.size_divisor
        batch = pixels.float() / 255.0
        return F.pad(batch, (0, -width % divisor, 0, -height % divisor), mode="replicate")

    @torch.inference_mode()
    def score(self, batch: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(1, K, h, w) logits of a prepared picture of (H, W), without the padding."""
        if self.tile_of(shape) is not None:
            regions = self.tiles(batch)
            first = next(regions)
            logits = first.logits.new_empty((1, len(first.logits), *batch.shape[-2:]))
            for rows, columns, part in (first, *regions):
                logits[0, :, rows, columns] = part
            return logits
        height, width = shape if self.size == "native" else self.size
        with self._memory(shape):
            logits = self.student.logits(batch.to(self.student.device))
        return logits[..., :height, :width]

    @torch.inference_mode()
    def tiles(self, pixels: Tensor) -> Generator[Region, None, None]:
        """Logits of a (1, 3, H, W) uint8 picture, tile by tile."""
        divisor, sizes = self.student.size_divisor, pixels.shape[-2:]
        shape = self.tile_of(sizes) or sizes
        rows, columns = (
            spans(size + -size % divisor, tile, divisor)
            for size, tile in zip(sizes, shape, strict=True)
        )
        for y, x in product(rows, columns):
            window = self._padded(pixels[..., y.start : y.end, x.start : x.end])
            with self._memory(shape):
                logits = self.student.logits(window.to(self.student.device))[0]
            (top, bottom), (left, right) = (
                (span.first, min(span.last, size)) for span, size in zip((y, x), sizes, strict=True)
            )
            kept = logits[:, top - y.start : bottom - y.start, left - x.start : right - x.start]
            yield Region(slice(top, bottom), slice(left, right), kept)

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
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ValueError(
                f"A picture of {shape[0]}x{shape[1]} does not fit into the memory of "
                f"{self.student.device}; choose a smaller size, or tiles."
            ) from None
