"""Pictures of frames: RGB, X, labels and what networks predict, one by one or as a sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from lix.data.dataset import SegDataset
from lix.data.transforms import resize, to_batch
from lix.evaluation.figures import DPI, figure_text
from lix.networks.parts.base import SegNetwork
from lix.runs.settings import Data

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Row = dict[str, Picture]
"""Pictures of one frame, by title."""

SHOWN = 6
"""Frames of a run that are shown, spread evenly over the validation split."""
LINE = 0.3
"""Height of a line of text, in inches."""
NAME = 1.2
"""Width of a class in the key, in inches."""


@dataclass(frozen=True)
class Frame:
    """A frame as networks see it."""

    image: Tensor
    """(3, H, W) in [0, 1]."""
    x: Tensor | None
    """(C, H, W), encoded; None where it was not read."""
    target: Tensor
    """(H, W) train ids, 255 = ignored."""
    x_kind: str

    def logits(self, network: SegNetwork) -> Tensor:
        """(K, H, W), on the CPU."""
        device, was_training = next(network.parameters()).device, network.training
        x = self.x[None].to(device) if network.x_channels and self.x is not None else None
        network.eval()
        with torch.inference_mode():
            # Called so, a compiled network is not compiled again for a batch of one.
            logits: Tensor = network.forward(self.image[None].to(device), x).logits[0]
        network.train(was_training)
        return logits.float().cpu()

    def pictures(self, palette: NDArray[np.uint8]) -> Row:
        """RGB, X where it was read, and labels by title."""
        row = {"RGB": (255 * self.image.permute(1, 2, 0)).round().byte().numpy()}
        if self.x is not None:
            row[self.x_kind.replace("_", " ")] = heat(self.x[0].numpy())
        return row | {"truth": palette[self.target.clamp(max=len(palette) - 1).numpy()]}


def read_frame(dataset: SegDataset, data: Data, index: int, *, with_x: bool = True) -> Frame:
    """A frame of a data set at the size and with the X that a recipe names."""
    sample = dataset.read(dataset.ids[index], with_x=with_x)
    batch = to_batch(resize(sample, data.size), data.x)
    image, target = _tensor(batch["image"]), _tensor(batch["target"])
    return Frame(image, _tensor(batch["x"]) if "x" in batch else None, target, str(dataset.x_kind))


def predictions(
    networks: Mapping[str, SegNetwork], frames: Iterable[Frame], palette: NDArray[np.uint8]
) -> list[Row]:
    """RGB, X, labels and each network's prediction of some frames."""
    rows = []
    for frame in frames:
        row = frame.pictures(palette)
        for title, network in networks.items():
            row[title] = palette[frame.logits(network).argmax(0).numpy()]
        rows.append(row)
    return rows


def colours(dataset: SegDataset) -> NDArray[np.uint8]:
    """(K + 1, 3): a colour a class, black for what is ignored."""
    return np.array([*dataset.palette, (0, 0, 0)], np.uint8)


def heat(values: NDArray[np.float32]) -> Picture:
    """Values in [0, 1] as colours, black to white."""
    coloured: NDArray[np.float64] = mpl.colormaps["magma"](values)
    return (255 * coloured[..., :3]).astype(np.uint8)


def tiled(rows: Sequence[Row]) -> Picture:
    """One picture of all: a row a frame, with white gaps."""
    height, width = next(iter(rows[0].values())).shape[:2]
    gap = max(width // 50, 1)
    shape = (len(rows) * (height + gap) - gap, len(rows[0]) * (width + gap) - gap, 3)
    sheet = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row.values()):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def picture_sheet(rows: Sequence[Row], dataset: SegDataset | None) -> Figure:
    """A row a frame, a column a picture of 1.5 to 4 inches; below it the classes' colours."""
    sheet, titles = tiled(rows), list(rows[0])
    width = min(max(sheet.shape[1] / DPI, 1.5 * len(titles)), 4.0 * len(titles))
    height = width * sheet.shape[0] / sheet.shape[1]
    per_line = max(int(width / NAME), 1)
    key = LINE * -(-len(dataset.classes) // per_line) if dataset else 0.0
    figure = Figure((width, LINE + height + key))
    # One picture of all is drawn several times faster than axes for each.
    axes = figure.add_axes((0, key / (LINE + height + key), 1, height / (LINE + height + key)))
    axes.imshow(sheet, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for place, title in enumerate(titles):
        middle = (place + 0.5) / len(titles)
        axes.text(
            middle, 1.01, figure_text(title), ha="center", fontsize=9, transform=axes.transAxes
        )
    if dataset is not None:
        named = zip(dataset.classes, dataset.palette, strict=True)
        patches = [Patch(color=f"#{bytes(c).hex()}", label=figure_text(name)) for name, c in named]
        figure.legend(
            handles=patches, loc="lower center", ncols=per_line, fontsize=8, frameon=False
        )
    return figure


def _tensor(value: Tensor | str) -> Tensor:
    if isinstance(value, str):
        raise TypeError(f"expected a tensor, got {value!r}")
    return value
