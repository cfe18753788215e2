"""What figures and pages share: frames as networks see them, colours, pictures in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.data.dataset import SegDataset
from lix.data.transforms import resize, to_batch
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import load_network
from lix.runs.settings import Data
from lix.study.records import Record

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

COLOURS = ("#4a5568", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#319795", "#975a16")
"""Line colours that differ on white and on grey paper."""


def svg(figure: Figure) -> str:
    """A figure as an SVG data address."""
    stream = io.StringIO()
    # A fixed salt makes equal figures equal files.
    with mpl.rc_context({"svg.hashsalt": "lix"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", stream.getvalue().encode())


def comparison(
    runs: Mapping[str, Record], dataset: SegDataset, indices: Sequence[int]
) -> list[dict[str, str]]:
    """RGB, X, labels and each run's prediction of some frames, by title, as PNG addresses."""
    networks = {name: load_network(run.folder)[0] for name, run in runs.items()}
    palette = colours(dataset)
    data = next(iter(runs.values())).recipe.data
    rows = []
    for frame in (read_frame(dataset, data, index) for index in indices):
        row = frame.pictures(palette)
        for name, network in networks.items():
            row[name] = palette[frame.logits(network).argmax(0).numpy()]
        rows.append({title: png(picture) for title, picture in row.items()})
    return rows


@dataclass(frozen=True)
class Frame:
    """A frame as networks see it."""

    image: Tensor
    """(3, H, W) in [0, 1]."""
    x: Tensor
    """(C, H, W), encoded."""
    target: Tensor
    """(H, W) train ids, 255 = ignored."""
    x_kind: str

    def logits(self, network: SegNetwork) -> Tensor:
        """(K, H, W)."""
        x = self.x[None] if network.x_channels else None
        with torch.inference_mode():
            logits: Tensor = network(self.image[None], x).logits[0]
        return logits

    def pictures(self, palette: NDArray[np.uint8]) -> dict[str, Picture]:
        """RGB, X and labels by title."""
        return {
            "RGB": (255 * self.image.permute(1, 2, 0)).round().byte().numpy(),
            self.x_kind.replace("_", " "): heat(self.x[0].numpy()),
            "truth": palette[self.target.clamp(max=len(palette) - 1).numpy()],
        }


def read_frame(dataset: SegDataset, data: Data, index: int) -> Frame:
    """A frame of a data set at the size and with the X that a recipe names."""
    batch = to_batch(resize(dataset.read(dataset.ids[index], with_x=True), data.size), data.x)
    image, x, target = (_tensor(batch[key]) for key in ("image", "x", "target"))
    return Frame(image, x, target, str(dataset.x_kind))


def colours(dataset: SegDataset) -> NDArray[np.uint8]:
    """(K + 1, 3): a colour a class, black for what is ignored."""
    return np.array([*dataset.palette, (0, 0, 0)], np.uint8)


def png(picture: Picture) -> str:
    """A picture as a PNG data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return _address("image/png", stream.getvalue())


def _tensor(value: torch.Tensor | str) -> torch.Tensor:
    if isinstance(value, str):
        raise TypeError(f"expected a tensor, got {value!r}")
    return value


def heat(values: NDArray[np.float32]) -> Picture:
    """Values in [0, 1] as colours, black to white."""
    coloured: NDArray[np.float64] = mpl.colormaps["magma"](values)
    return (255 * coloured[..., :3]).astype(np.uint8)


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
