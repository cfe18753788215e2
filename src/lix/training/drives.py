"""Unlabelled frames of a recipe: opened, and checked against what they must not contain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar

from rich.console import Console

from lix.core.console import busy, tracked, warn
from lix.core.registry import find, merge
from lix.data.dataset import SegDataset
from lix.data.duplicates import find_copies, fingerprints
from lix.runs.damaged import open_readable
from lix.runs.recipe import Recipe
from lix.runs.settings import Data, Drive

MAX_NAMES_SHOWN = 5
T = TypeVar("T")

OpenedDrive = tuple[Data, SegDataset]
"""The settings of a drive in the form of the section `data`, and its frames."""


def open_drives(
    recipe: Recipe, train: SegDataset, val: SegDataset, *, with_x: bool, console: Console
) -> list[OpenedDrive]:
    """Open the unlabelled frames of a recipe.

    Args:
        recipe: all settings.
        train: the labelled frames.
        val: the validation frames, none of which may be among the drives'.
        with_x: whether the drives' X is read.
        console: where progress and warnings go.

    Raises:
        ValueError, FileNotFoundError: settings or data are wrong, or validation frames are among
            the drives'.
    """
    drives = []
    for drive in recipe.unlabelled.sources:
        data = _as_data(recipe, drive)
        with busy(f"opening {drive.root}", console):
            dataset = open_readable(
                data, "train", with_x=with_x, console=console, labelled=recipe.unlabelled.truth
            )
        if recipe.unlabelled.truth and dataset.classes != train.classes:
            raise ValueError(
                f"{drive.root} has other classes than the labelled frames; its labels cannot be "
                "learnt from, so leave unlabelled.truth out."
            )
        if with_x:
            dataset.require_x()
            if (dataset.x, dataset.x_spans) != (train.x, train.x_spans):
                raise ValueError(
                    f"The labelled frames have {train.x_kind} as X, but {drive.root} has "
                    f"{dataset.x_kind}; name a folder of the same X, in the same range, under "
                    "unlabelled.options.x."
                )
        drives.append((data, dataset))
    if drives:
        _refuse_leaks(drives, val, console)
    return drives


def _as_data(recipe: Recipe, drive: Drive) -> Data:
    """The drive's settings in the form of the section `data`."""
    name, options = drive.name or recipe.data.name, drive.options
    if recipe.unlabelled.truth:
        options = merge(find("datasets", name).load().every_frame, options)
    changes = {"name": name, "root": drive.root, "options": options}
    changes |= {"val_root": None, "train": {}, "val": {}}
    return recipe.data.model_copy(update=changes)


def _refuse_leaks(drives: Sequence[OpenedDrive], val: SegDataset, console: Console) -> None:
    """Compare every image of the drives with every validation image.

    Raises:
        ValueError: some are the same.
    """

    def progress(frames: Iterable[T], *, where: str, total: int) -> Iterable[T]:
        return tracked(frames, f"looking for validation frames in {where}", console, total)

    if not val.in_files:
        warn(
            console,
            "the validation frames are in memory, so they are not looked for among the unlabelled "
            "ones; see to it that none is there.",
        )
        return
    kept = fingerprints(
        [val.image_path(frame) for frame in val.ids],
        partial(progress, where="memory", total=len(val)),
    )
    for data, drive in drives:
        images = [drive.image_path(frame) for frame in drive.ids]
        show = partial(progress, where=str(data.root), total=len(images))
        copies = find_copies(fingerprints(images, show), kept)
        if copies.same:
            raise ValueError(
                f"{len(copies.same)} unlabelled frames of {data.root} are validation frames "
                f"({_pairs(copies.same, drive, val)}); a score on them would mean nothing, so "
                "take them out of one of the two."
            )
        if copies.similar:
            warn(
                console,
                f"{len(copies.similar)} unlabelled frames of {data.root} look almost like "
                f"validation frames ({_pairs(copies.similar, drive, val)}): resized copies or "
                "neighbours in one video; if so, the scores are too good.",
            )


def _pairs(pairs: Sequence[tuple[int, int]], drive: SegDataset, val: SegDataset) -> str:
    shown = [f"{drive.ids[i]} = {val.ids[j]}" for i, j in pairs[:MAX_NAMES_SHOWN]]
    return ", ".join(shown) + (", …" if len(pairs) > MAX_NAMES_SHOWN else "")
