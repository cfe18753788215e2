"""Reads the frames of a data set and adds them up, in memory that does not grow with their number.

Of each image a hash of 16 bytes is kept, to find copies.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lix.data.dataset import SegDataset
from lix.data.x_files import XSource
from lix.tools.check.alignment import align
from lix.tools.check.frame import Fault, FrameFacts, read_frame
from lix.tools.check.statistics import Frame, Group, SplitStatistics, XStatistics

MAX_VALUES_COUNTED = 1000
"""Maximum number of wrong values that are counted; a lossy image has more."""
WINDOW = 32
"""Number of frames that are read ahead."""
ALIGNED = 32
"""Number of frames of a split whose X is compared with the edges of the image."""


@dataclass
class FaultGroup(Group):
    """Files that have the same fault."""

    part: str = ""
    message: str = ""
    """Message about the first file."""
    pixels: Counter[str] = field(default_factory=Counter)
    """Number of pixels by wrong value, such as a label that is not a class."""
    files: Counter[str] = field(default_factory=Counter)
    """Number of files by wrong value."""


@dataclass
class Survey:
    """Everything that the rules and the report need to know about a data set."""

    name: str
    """Name of the loader."""
    root: Path
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    not_scored: tuple[str, ...] = ()
    """Classes that no score contains."""
    splits: dict[str, SplitStatistics] = field(default_factory=dict)
    unopened: dict[str, str] = field(default_factory=dict)
    """Split → why it cannot be opened."""
    missing_x: dict[str, list[str]] = field(default_factory=dict)
    """Split → sentences about files of X that are missing."""
    faults: dict[tuple[str, str], FaultGroup] = field(default_factory=dict)
    """Groups of faults by part and kind."""
    copies: dict[tuple[str, str], Group] = field(default_factory=dict)
    """Images that are the same, by the splits of the original and the copy."""
    seconds: float = 0.0

    @property
    def read(self) -> int:
        """Number of frames that were read."""
        return sum(split.read for split in self.splits.values())

    @property
    def is_sample(self) -> bool:
        """Whether not all frames were read."""
        return any(split.read < split.frames for split in self.splits.values())

    def shown(self, path: Path | str) -> str:
        """A path, or text with paths, without the data set's folder."""
        folder = self.root if self.root.is_dir() else self.root.parent
        if folder == Path():
            return str(path)
        return re.sub(rf"(?<![^\s'\"(]){re.escape(f'{folder}{os.sep}')}", "", str(path))

    def add_fault(self, frame: Frame, fault: Fault) -> None:
        """Count a fault with those of its part and kind."""
        new = FaultGroup(part=fault.part, message=self.shown(fault.message))
        group = self.faults.setdefault((fault.part, fault.kind), new)
        group.add(replace(frame, name=self.shown(fault.path)))
        for value, pixels in fault.counts.items():
            if str(value) in group.pixels or len(group.pixels) < MAX_VALUES_COUNTED:
                group.pixels[str(value)] += pixels
                group.files[str(value)] += 1


def survey(
    name: str,
    root: Path,
    datasets: Mapping[str, SegDataset],
    *,
    images: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Survey:
    """Read a data set.

    Args:
        name: name of the loader.
        root: the data set's folder or file.
        datasets: split → the opened data set.
        images: number of evenly spaced frames of each split; None: all.
        progress: called with the number of frames read and of all.
    """
    started = time.perf_counter()
    first = next(iter(datasets.values()))
    result = Survey(name, root, first.classes, first.palette, first.not_scored)
    chosen = {
        split: [dataset.ids[index] for index in spaced(len(dataset), images)]
        for split, dataset in datasets.items()
    }
    total, done = sum(map(len, chosen.values())), 0
    originals: dict[bytes, Frame] = {}
    for split, dataset in datasets.items():
        for frame, facts in _read(result, split, dataset, chosen[split]):
            for fault in facts.faults:
                result.add_fault(frame, fault)
            _find_copy(result, originals, frame, facts)
            done += 1
            if progress:
                progress(done, total)
    result.seconds = time.perf_counter() - started
    return result


def _read(
    result: Survey, split: str, dataset: SegDataset, ids: Sequence[str]
) -> Iterator[tuple[Frame, FrameFacts]]:
    """Read the frames of a split and count them."""
    sources = _sources(result, split, dataset)
    x = [XStatistics(*source.spec, getattr(source, "files", None)) for source in sources]
    statistics = SplitStatistics(split, len(dataset), x=x)
    statistics.sequences.update(map(dataset.sequence, dataset.ids))
    statistics.instants.update({dataset.instant(name) for name in dataset.ids} - {*dataset.ids})
    result.splits[split] = statistics
    for facts in _facts(dataset, sources, ids):
        frame = Frame(split, facts.frame, facts.frame)
        statistics.add(frame, facts)
        yield frame, facts
    some = [ids[index] for index in spaced(len(ids), ALIGNED)]
    for source, x_statistics in zip(sources, x, strict=True):
        x_statistics.alignment = align(dataset, source, some)


def spaced(length: int, count: int | None) -> list[int]:
    """At most `count` evenly spaced indices of `length`.

    >>> spaced(10, 3)
    [0, 3, 6]
    """
    shown = length if count is None else min(count, length)
    return [i * length // shown for i in range(shown)]


def _sources(result: Survey, split: str, dataset: SegDataset) -> list[XSource]:
    """The sources of X whose kind and files are known."""
    sources = []
    for source in dataset.x_sources:
        try:
            source.require(dataset.ids)
        except ValueError as error:
            result.missing_x.setdefault(split, []).append(result.shown(str(error)))
        with suppress(ValueError):
            sources += [source] if source.spec and source.path(dataset.ids[0]) else []
    return sources


def _facts(
    dataset: SegDataset, sources: Sequence[XSource], ids: Sequence[str]
) -> Iterator[FrameFacts]:
    """The frames in order, read by a few threads: decoding images lets others run."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(ids), WINDOW):
            window = ids[start : start + WINDOW]
            yield from pool.map(partial(read_frame, dataset, sources), window)


def _find_copy(
    result: Survey, originals: dict[bytes, Frame], frame: Frame, facts: FrameFacts
) -> None:
    if facts.digest is None:
        return
    original = originals.setdefault(facts.digest, frame)
    if original is not frame:
        pair = replace(frame, name=f"{original.name} = {frame.name}")
        result.copies.setdefault((original.split, frame.split), Group()).add(pair)
