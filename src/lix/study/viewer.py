"""What the picture viewer of a page shows: frames, and what each run's network says of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from lix.data.dataset import SegDataset
from lix.evaluation.pictures import SHOWN, Frame, Picture, colours, read_frame
from lix.runs.checkpoint import load_network
from lix.runs.data import evenly_spaced, open_dataset
from lix.runs.folder import RunFolder
from lix.runs.settings import Data
from lix.study.records import Record


@dataclass(frozen=True)
class Viewer:
    """Pictures of a page."""

    frames: Sequence[Mapping[str, str]] = ()
    """Pictures of each frame: title → PNG address."""
    palette: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Colours of the classes: name → RGB."""
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Reason → runs without pictures."""

    @property
    def pairs(self) -> list[list[tuple[str, str]]]:
        """The frames for a script, which would put names that are numbers first."""
        return [list(frame.items()) for frame in self.frames]


@dataclass(frozen=True)
class _Split:
    """The frames to show, as the runs with one section `data` see them."""

    dataset: SegDataset
    frames: Sequence[Frame]

    @classmethod
    def open(cls, data: Data) -> _Split:
        dataset = open_dataset(data, "val")
        chosen = evenly_spaced(len(dataset), SHOWN)
        try:
            return cls(dataset, [read_frame(dataset, data, index) for index in chosen])
        except ValueError:  # a student's frames need no X
            return cls(dataset, [read_frame(dataset, data, i, with_x=False) for i in chosen])


def view(runs: Mapping[str, Record]) -> Viewer:
    """Pictures of RGB, X, labels and of each run's predictions.

    One network is in memory at a time. Runs whose weights or data are not on this disk are left
    out, with the reason.

    Args:
        runs: label → run, all on the same validation frames.
    """
    splits: dict[str, _Split] = {}
    missing: dict[str, list[str]] = {}
    shown: list[dict[str, Picture]] = [{} for _ in range(SHOWN)]
    for label, record in runs.items():
        data = record.recipe.data
        key = data.model_dump_json()
        try:
            split = splits[key] = splits.get(key) or _Split.open(data)
            predicted = _predicted(record, split)
        except (OSError, ValueError) as error:
            missing.setdefault(_reason(record, error), []).append(label)
            continue
        palette = colours(split.dataset)
        for pictures, frame, picture in zip(shown, split.frames, predicted, strict=False):
            for title, own in frame.pictures(palette).items():
                pictures.setdefault(title, own)
            pictures[label if label not in pictures else f"run {label}"] = picture
    frames = [{title: png(p) for title, p in pictures.items()} for pictures in shown if pictures]
    if not frames:
        return Viewer(missing=missing)
    named = next(iter(splits.values())).dataset
    return Viewer(frames, dict(zip(named.classes, named.palette, strict=True)), missing)


def _predicted(record: Record, split: _Split) -> list[Picture]:
    """The predicted classes of every frame, in the data set's colours."""
    network, spec = load_network(record.folder)
    if spec.classes != split.dataset.classes:
        raise ValueError("the classes of the data have changed since")
    palette = colours(split.dataset)
    return [palette[frame.logits(network).argmax(0).numpy()] for frame in split.frames]


def _reason(record: Record, error: Exception) -> str:
    if not RunFolder(record.folder).best.is_file():
        return "the weights are not on this disk"
    return str(error)


def png(picture: Picture) -> str:
    """A picture as a PNG data address."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
