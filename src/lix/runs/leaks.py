"""Frames that score a run must not be among the unlabelled ones that it learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from rich.console import Console

from lix.core.console import tracked
from lix.data.dataset import SegDataset
from lix.data.duplicates import Fingerprint, find_copies, fingerprints

MAX_NAMES_SHOWN = 5
T = TypeVar("T")


class Leaks(NamedTuple):
    """Pairs of an unlabelled frame and one that scores, by name."""

    same: list[tuple[str, str]]
    """Equal pixels."""
    similar: list[tuple[str, str]]
    """The same picture at another size or compression, or neighbours in a video."""


def find_leaks(drive: Mapping[str, Fingerprint], scored: Mapping[str, Fingerprint]) -> Leaks:
    """Find the frames of a drive among those that score a run."""
    copies = find_copies(list(drive.values()), list(scored.values()))
    names, others = list(drive), list(scored)
    same, similar = ([(names[i], others[j]) for i, j in pairs] for pairs in copies)
    return Leaks(same, similar)


def frame_fingerprints(dataset: SegDataset, console: Console) -> dict[str, Fingerprint]:
    """Fingerprints of all images of a data set, by frame."""

    def progress(frames: Iterable[T]) -> Iterable[T]:
        return tracked(frames, f"reading images of {dataset.root}", console, len(dataset))

    paths = [dataset.image_path(frame) for frame in dataset.ids]
    return dict(zip(dataset.ids, fingerprints(paths, progress), strict=True))


def named(pairs: Sequence[tuple[str, str]]) -> str:
    """The first pairs as text."""
    shown = ", ".join(f"{name} = {other}" for name, other in pairs[:MAX_NAMES_SHOWN])
    return shown + (", …" if len(pairs) > MAX_NAMES_SHOWN else "")
