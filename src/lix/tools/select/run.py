"""Measures every frame of a drive with two networks, and lists those that are worth having."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lix.core.files import atomic_write, folder_lock, write_text
from lix.data.dataset import SegDataset
from lix.deploy.student import load_student
from lix.networks.parts.base import SegNetwork
from lix.runs.checkpoint import NetworkSpec, checksum, load_network
from lix.runs.data import evaluation_loader, open_dataset, require_same_x
from lix.runs.settings import Data
from lix.tools.recognise import recognise_drive
from lix.tools.select.measures import GRID, SIDES, measure
from lix.tools.select.ranking import choose, class_weights

TRAIN, LABEL = "train.txt", "label.txt"
"""Lists of the frames that teach the student most, and of those to label by hand."""

Progress = Callable[[int, int], None]
"""Called with the number of frames that are measured, and of all frames."""


@dataclass(frozen=True)
class Report:
    """What `select` has done."""

    output: Path
    name: str
    """Loader of the drive."""
    frames: int
    """Number of frames of the drive."""
    train: tuple[str, ...]
    """Frames that teach most, the best first."""
    label: tuple[str, ...]
    """Frames to label by hand, the best first."""
    ratio: float
    """Mean worth of the frames that teach most, by that of all frames."""

    def __str__(self) -> str:
        return (
            f"{self.output / TRAIN}: {len(self.train)} of {self.frames} frames, which teach "
            f"{self.ratio:.1f} times as much as the mean frame by their score; train with "
            f"--unlabelled.name {self.name} --unlabelled.options.lists {self.output}\n"
            f"{self.output / LABEL}: {len(self.label)} frames to label by hand, the best first"
        )


def select(
    root: Path,
    output: Path,
    *,
    teacher: Path,
    student: Path,
    count: int,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    workers: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Write `train.txt` and `label.txt`: frames of a drive that teach most, and those to label.

    What was measured stays in `measures-KEY.npy`: a second call with the same frames and networks
    continues it, and another `count` needs no network. Memory is that of a batch and some hundred
    bytes for each frame. The lists are the same for any batch size but for rounding.

    Args:
        root: the drive, as `unlabelled.root`.
        output: folder to write.
        teacher: run folder or checkpoint of the network that would teach.
        student: that of a student with the same classes, such as the plain one.
        count: largest number of frames in each list.
        name: loader of the drive; default: the one that has its layout, or plain images.
        options: options of the loader, such as `x`.
        batch_size: frames that the networks see at once.
        workers: processes that read frames.
        progress: called after every batch.

    Raises:
        FileNotFoundError, ValueError: a network or the drive is missing or wrong, the drive has not
            more than `count` frames, or the two networks differ in their classes.
        OSError: the output cannot be written.
    """
    pair = _Pair.load(teacher, student)
    name = recognise_drive(root, name)
    data = Data(
        name=name, root=root, options=dict(options or {}), size=pair.size, x=pair.spec.x_encoding
    )
    drive = open_dataset(data, "train", labelled=False)
    if not 1 <= count < len(drive):
        raise ValueError(
            f"--count is {count}, but {root} has {len(drive)} frames; name fewer, at least 1."
        )
    require_same_x(pair.spec, drive)
    with folder_lock(output):
        path = output / f"measures-{_key(drive, data, pair)}.npy"
        rows = _open(path, len(drive), len(pair.spec.classes))
        _measure(rows, pair, drive, data, {"batch_size": batch_size, "workers": workers}, progress)
        train, ratio = _list(rows, "teach", count, drive, output / TRAIN)
        label, _ = _list(rows, "label", count, drive, output / LABEL)
    return Report(output, name, len(drive), train, label, ratio)


def _list(
    rows: NDArray[np.void], column: str, count: int, drive: SegDataset, file: Path
) -> tuple[tuple[str, ...], float]:
    """Write the frames that are worth most by a measure; also their mean worth by that of all."""
    worth = np.asarray(rows[column] @ class_weights(rows["share"]), np.float64)
    indices, _ = choose(worth, rows["layout"], count)
    frames = tuple(drive.ids[index] for index in indices)
    write_text(file, "".join(f"{frame}\n" for frame in frames))
    return frames, float(worth[indices].mean() / worth.mean()) if indices else 0.0


class _Pair(NamedTuple):
    """The two networks."""

    teacher: SegNetwork
    student: SegNetwork
    spec: NetworkSpec
    """That of the teacher."""
    size: tuple[int, int]
    """What the student is trained at."""
    checksums: tuple[str, str]

    @classmethod
    def load(cls, teacher: Path, student: Path) -> _Pair:
        """Load both; raises a ValueError where their classes differ."""
        network, spec = load_network(teacher)
        learner, own = load_student(student)
        if spec.classes != own.classes:
            raise ValueError(
                f"{teacher} knows the classes {', '.join(spec.classes)} but {student} knows "
                f"{', '.join(own.classes)}; name a student that was trained on the teacher's."
            )
        sums = (
            checksum(spec.as_dict(), network.state_dict()),
            checksum(own.as_dict(), learner.state_dict()),
        )
        return cls(network, learner, spec, own.size, sums)


def _key(drive: SegDataset, data: Data, pair: _Pair) -> str:
    """What the measures depend on: frames, options and both networks."""
    text = json.dumps([drive.ids, str(data.root), data.options, pair.checksums], default=str)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _open(path: Path, frames: int, classes: int) -> NDArray[np.void]:
    """The measures in a file: a row for each frame, `done` at those that are written."""
    columns: list[tuple[Any, ...]] = [("done", np.bool_)]
    columns += [(name, np.float32, (classes,)) for name in ("share", "teach", "label")]
    columns += [("layout", np.uint8, (SIDES * classes * GRID[0] * GRID[1],))]
    if not path.is_file():
        with atomic_write(path) as part:
            np.lib.format.open_memmap(part, "w+", np.dtype(columns), (frames,)).flush()
            if hasattr(os, "posix_fallocate"):  # a full disk later would kill the process
                with part.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    return np.lib.format.open_memmap(path, mode="r+")


def _measure(
    rows: NDArray[np.void],
    pair: _Pair,
    drive: SegDataset,
    data: Data,
    loading: Mapping[str, int],
    progress: Progress | None,
) -> None:
    """Measure the frames that are not yet done."""
    remaining = np.flatnonzero(~rows["done"])
    done, total = len(drive) - len(remaining), len(drive)
    if progress is not None:
        progress(done, total)
    if not len(remaining):
        return
    with_x = pair.teacher.x_channels > 0
    loader = evaluation_loader(data, drive, with_x=with_x, indices=remaining.tolist(), **loading)
    with _running(pair.teacher, pair.student) as device:
        for batch in loader:
            image = batch["image"].to(device)
            x = batch["x"].to(device) if with_x else None
            logits = pair.teacher(image, x).logits, pair.student(image).logits
            places, remaining = np.split(remaining, [len(image)])
            for column, values in measure(*logits).items():
                rows[column][places] = values.cpu().numpy()
            rows["done"][places] = True
            done += len(image)
            if progress is not None:
                progress(done, total)


@contextmanager
def _running(*networks: SegNetwork) -> Iterator[torch.device]:
    """Put networks onto the accelerator, if there is one, without gradients."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    for network in networks:
        network.to(device).eval()
    with torch.inference_mode():
        yield device
