"""Pictures of what networks predict: the paper's Figures 2, 3, 6 and 7, and maps of the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lix.core.errors import unknown
from lix.core.types import IGNORE_INDEX
from lix.data.dataset import SegDataset
from lix.evaluation.evaluate import confusion_matrix
from lix.evaluation.metrics import scores
from lix.evaluation.pictures import (
    Frame,
    Picture,
    Row,
    colours,
    heat,
    picture_sheet,
    predictions,
    read_frame,
)
from lix.methods.dwld import DWLD
from lix.methods.lix import LIX
from lix.methods.parts.base import Method
from lix.methods.parts.beta.entropy import confidence
from lix.methods.parts.beta.source import BETA_MAX, BETA_MIN
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import load_network
from lix.runs.data import evenly_spaced, open_dataset
from lix.runs.folder import RunFolder
from lix.study.definition import Pictures
from lix.study.records import Record
from lix.training.build import load_method


class Gallery:
    """The networks of some runs and the validation frames that they see.

    Args:
        runs: label → run, in the order of columns; all on one data set.

    Raises:
        ValueError, OSError: the data are not on this disk.
    """

    def __init__(self, runs: Mapping[str, Record]) -> None:
        self.runs = runs
        self.networks = {label: load_network(run.folder)[0] for label, run in runs.items()}
        self.data = next(iter(runs.values())).recipe.data
        self.dataset: SegDataset = open_dataset(self.data, "val")
        self.palette = colours(self.dataset)

    def frame(self, index: int) -> Frame:
        """A frame of the validation split."""
        return read_frame(self.dataset, self.data, index)

    def highest(self, count: int, value: Callable[[Frame], float]) -> list[int]:
        """The frames with the highest values."""
        values = [value(self.frame(index)) for index in range(len(self.dataset))]
        return sorted(range(len(values)), key=lambda index: -values[index])[:count]


def draw(shown: Pictures, runs: Mapping[str, Record]) -> Figure:
    """Draw one entry of a study's `pictures`.

    Args:
        shown: what to draw.
        runs: label → run with weights, of one data set and network.

    Raises:
        ValueError: an unknown class, no method with logits, or data that are not here.
    """
    labels = shown.methods or tuple(runs)
    missing = [m for m in labels if m not in runs or not RunFolder(runs[m].folder).best.is_file()]
    if missing:
        raise ValueError(
            f"The pictures of {shown.kind} need checkpoints of {', '.join(missing)}, which are not "
            "here; run the study, or leave these rows out of `pictures`."
        )
    gallery = Gallery({label: runs[label] for label in labels})
    rows = {"predictions": _predictions, "probability": _probability, "worst": _worst}
    drawn = _maps if shown.kind == "maps" else rows[shown.kind]
    key = shown.kind in ("predictions", "worst")
    return picture_sheet(drawn(gallery, shown), gallery.dataset if key else None)


def _predictions(gallery: Gallery, shown: Pictures) -> list[Row]:
    frames = map(gallery.frame, evenly_spaced(len(gallery.dataset), shown.frames))
    return predictions(gallery.networks, frames, gallery.palette)


def _probability(gallery: Gallery, shown: Pictures) -> list[Row]:
    """The frames with most pixels of a class, and each network's probability of it."""
    classes = gallery.dataset.classes
    if shown.of not in classes:
        raise ValueError(unknown("class", str(shown.of), classes))
    place = classes.index(shown.of)
    rows = []
    for index in gallery.highest(shown.frames, lambda f: int((f.target == place).sum())):
        frame = gallery.frame(index)
        row = {
            "RGB": frame.pictures(gallery.palette)["RGB"],
            f"truth: {shown.of}": heat((frame.target == place).float().numpy()),
        }
        for label, network in gallery.networks.items():
            row[label] = heat(frame.logits(network).softmax(0)[place].numpy())
        rows.append(row)
    return rows


def _worst(gallery: Gallery, shown: Pictures) -> list[Row]:
    """The frames with the lowest mIoU of the last method, and where each network is wrong."""
    last = list(gallery.networks.values())[-1]
    rows = []
    for index in gallery.highest(shown.frames, lambda f: -_frame_miou(f, last)):
        frame = gallery.frame(index)
        row = frame.pictures(gallery.palette)
        for label, network in gallery.networks.items():
            predicted = frame.logits(network).argmax(0)
            row[label] = gallery.palette[predicted.numpy()]
            wrong = (predicted != frame.target) & (frame.target != IGNORE_INDEX)
            row[f"{label}: errors"] = heat(wrong.float().numpy())
        rows.append(row)
    return rows


def _frame_miou(frame: Frame, network: SegNetwork) -> float:
    if not (frame.target != IGNORE_INDEX).any():
        return 1.0
    counter = confusion_matrix(network.num_classes)
    counter.update(frame.logits(network).argmax(0), frame.target)
    return scores(counter.compute()).mIoU


def _maps(gallery: Gallery, shown: Pictures) -> list[Row]:
    """KL(T ‖ S) per pixel, β of its label where a method has one, and Eq. 6's c of the student."""
    distilled = {label: run for label, run in gallery.runs.items() if run.recipe.distill}
    if not distilled:
        raise ValueError(
            "None of the methods to show learns from a teacher; name another one in `pictures`."
        )
    teachers = {label: _teacher(run) for label, run in distilled.items()}
    methods = {
        label: load_method(run.recipe, gallery.networks[label], teachers[label])
        for label, run in distilled.items()
    }
    rows = []
    for index in evenly_spaced(len(gallery.dataset), shown.frames):
        frame = gallery.frame(index)
        row = {"RGB": frame.pictures(gallery.palette)["RGB"]}
        for label, method in methods.items():
            zs, zt = (frame.logits(n[label]) for n in (gallery.networks, teachers))
            row[f"{label}: KL(T‖S)"] = _scaled(_divergence(zt, zs), 2.0)
            if (dwld := _dwld(method)) is not None:
                beta = dwld.controller.beta(zs[None], zt[None], frame.target[None] != IGNORE_INDEX)
                if isinstance(beta, Tensor):
                    labels = frame.target.clamp(max=len(zs) - 1)[None]
                    own = beta[0].detach().gather(0, labels)[0]
                    row[f"{label}: β of the label"] = _scaled(own - BETA_MIN, BETA_MAX - BETA_MIN)
            row[f"{label}: c"] = _scaled(confidence(zs[None])[0], float(np.log(len(zs))))
        rows.append(row)
    return rows


def _teacher(run: Record) -> SegNetwork:
    distill = run.recipe.distill
    assert distill is not None
    assert distill.teacher is not None
    return load_network(distill.teacher)[0]


def _dwld(method: Method) -> DWLD | None:
    part = method.dwld if isinstance(method, LIX) else method
    return part if isinstance(part, DWLD) else None


def _divergence(zt: Tensor, zs: Tensor) -> Tensor:
    log_t, log_s = zt.log_softmax(0), zs.log_softmax(0)
    return (log_t.exp() * (log_t - log_s)).sum(0)


def _scaled(values: Tensor, highest: float) -> Picture:
    return heat((values / highest).clamp(0, 1).numpy())
