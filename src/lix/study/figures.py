"""What figures and pages share: frames as networks see them, colours, pictures in a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.data.dataset import SegDataset
from lix.data.transforms import resize, to_batch
from lix.networks.parts.base import SegNetwork
from lix.runs.settings import Data

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

COLOURS = ("#4a5568", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#319795", "#975a16")
"""Line colours that differ on white and on grey paper."""


@dataclass(frozen=True)
class Frame:
    """A frame as networks see it."""

    image: Tensor
    """(3, H, W) in [0, 1]."""
    x: Tensor | None
    """(C, H, W), encoded; None where the frame has no X here."""
    target: Tensor
    """(H, W) train ids, 255 = ignored."""
    x_kind: str

    def logits(self, network: SegNetwork) -> Tensor:
        """(K, H, W)."""
        x = self.x[None] if network.x_channels and self.x is not None else None
        with torch.inference_mode():
            logits: Tensor = network(self.image[None], x).logits[0]
        return logits

    def pictures(self, palette: NDArray[np.uint8]) -> dict[str, Picture]:
        """RGB, X where there is some, and labels by title."""
        shown = {"RGB": (255 * self.image.permute(1, 2, 0)).round().byte().numpy()}
        if self.x is not None:
            shown[self.x_kind.replace("_", " ")] = heat(self.x[0].numpy())
        return shown | {"truth": palette[self.target.clamp(max=len(palette) - 1).numpy()]}


def read_frame(dataset: SegDataset, data: Data, frame: str, *, with_x: bool = True) -> Frame:
    """A frame of a data set at the size and with the X that a recipe names."""
    batch = to_batch(resize(dataset.read(frame, with_x=with_x), data.size), data.x)
    x = _tensor(batch["x"]) if with_x else None
    return Frame(_tensor(batch["image"]), x, _tensor(batch["target"]), str(dataset.x_kind))


def colours(dataset: SegDataset) -> NDArray[np.uint8]:
    """(K + 1, 3): a colour a class, black for what is ignored."""
    return np.array([*dataset.palette, (0, 0, 0)], np.uint8)


def png(picture: Picture) -> str:
    """A picture as a PNG data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _tensor(value: torch.Tensor | str) -> torch.Tensor:
    if isinstance(value, str):
        raise TypeError(f"expected a tensor, got {value!r}")
    return value


def heat(values: NDArray[np.float32]) -> Picture:
    """Values in [0, 1] as colours, black to white."""
    coloured: NDArray[np.float64] = mpl.colormaps["magma"](values)
    return (255 * coloured[..., :3]).astype(np.uint8)
