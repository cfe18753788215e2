"""Figures and pictures as addresses inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from PIL import Image

from lix.data.dataset import SegDataset
from lix.evaluation.figures import write_figure
from lix.evaluation.pictures import Picture, colours, predictions, read_frame
from lix.runs.checkpoint import load_network
from lix.study.records import Record


def svg(figure: Figure) -> str:
    """A figure as an SVG data address."""
    stream = io.BytesIO()
    write_figure(figure, stream, "svg")
    return _address("image/svg+xml", stream.getvalue())


def comparison(
    runs: Mapping[str, Record], dataset: SegDataset, indices: Sequence[int]
) -> list[dict[str, str]]:
    """RGB, X, labels and each run's prediction of some frames, by title, as PNG addresses."""
    networks = {name: load_network(run.folder)[0] for name, run in runs.items()}
    data = next(iter(runs.values())).recipe.data
    frames = (read_frame(dataset, data, index) for index in indices)
    rows = predictions(networks, frames, colours(dataset))
    return [{title: png(picture) for title, picture in row.items()} for row in rows]


def png(picture: Picture) -> str:
    """A picture as a PNG data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return _address("image/png", stream.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
