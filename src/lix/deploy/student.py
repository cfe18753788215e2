"""A trained student that segments pictures of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from lix.networks.base import SegNetwork
from lix.networks.checkpoint import NetworkSpec, load_network

Size = Literal["train", "native"] | tuple[int, int]
"""What the network sees of a picture: all of it at the training size, at its own, or at (H, W)."""


def load_student(checkpoint: Path) -> tuple[SegNetwork, NetworkSpec]:
    """Load a network that sees RGB alone.

    Raises:
        FileNotFoundError, ValueError: no checkpoint, a damaged one, or a teacher's.
    """
    network, spec = load_network(checkpoint)
    if network.x_channels:
        raise ValueError(
            f"{checkpoint} is a teacher: beside RGB it needs {network.x_channels} channel(s) of "
            f"{spec.x_kind or 'X'}; name a student, such as one that lix distill has trained."
        )
    return network, spec


class Segmenter:
    """A student that takes the pixels of one picture and scores its classes at the same size.

    The picture is resized as in training, padded at the right and the bottom to what the network
    can take, and the logits are resized back bilinearly.

    Args:
        network: sees RGB alone.
        spec: its description.
        size: of what the network sees.
        device: such as `cuda:1`; default: the accelerator, else the CPU.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(
        self,
        network: SegNetwork,
        spec: NetworkSpec,
        *,
        size: Size = "train",
        device: str | torch.device | None = None,
    ) -> None:
        self.size = spec.size if size == "train" else size
        if self.size != "native" and min(self.size) < 1:
            raise ValueError(f"The size is {self.size}; height and width must be at least 1.")
        found = torch.accelerator.current_accelerator(check_available=True)
        self.device = torch.device(device or found or "cpu")
        self.network = network.eval().to(self.device)
        self.spec = spec

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> Tensor:
        """Score one picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (K, H, W) logits on the network's device.

        Raises:
            ValueError: other pixels, or a picture too large for the device's memory.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"A picture must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}."
            )
        height, width = image.shape[:2]
        try:
            logits = self._resized_logits(torch.from_numpy(np.array(image)).permute(2, 0, 1))
            return F.interpolate(logits, (height, width), mode="bilinear")[0]
        except torch.OutOfMemoryError:
            raise ValueError(
                f"A picture of {height}x{width} does not fit into the memory of {self.device}; "
                "choose a smaller size."
            ) from None

    def _resized_logits(self, image: Tensor) -> Tensor:
        """(1, K, h, w) logits at the size that the network sees."""
        if self.size != "native":
            image = TF.resize(image, list(self.size), antialias=True)
        height, width = image.shape[-2:]
        divisor = self.network.size_divisor
        batch = image[None].to(self.device).float() / 255.0
        padded = F.pad(batch, (0, -width % divisor, 0, -height % divisor), mode="replicate")
        logits: Tensor = self.network(padded).logits
        return logits[..., :height, :width]
