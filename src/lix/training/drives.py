"""Unlabelled frames of a recipe: opened, and checked against what they must not contain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from lix.core.console import busy, warn
from lix.core.registry import find, merge
from lix.data.dataset import SegDataset
from lix.data.duplicates import Fingerprint
from lix.runs.damaged import open_readable
from lix.runs.leaks import find_leaks, frame_fingerprints, named
from lix.runs.recipe import Recipe
from lix.runs.settings import Data, Drive


class OpenedDrive(NamedTuple):
    """A source of unlabelled frames."""

    data: Data
    """Its settings in the form of the section `data`."""
    frames: SegDataset
    prints: Mapping[str, Fingerprint] = MappingProxyType({})
    """Fingerprints of the images by frame, which the run keeps for later scores."""


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
        drives.append(OpenedDrive(data, dataset))
    if not drives or rank_zero_only.rank != 0:
        return drives
    return _refuse_leaks(drives, val, console)


def _as_data(recipe: Recipe, drive: Drive) -> Data:
    """The drive's settings in the form of the section `data`."""
    name, options = drive.name or recipe.data.name, drive.options
    if recipe.unlabelled.truth:
        options = merge(find("datasets", name).load().every_frame, options)
    changes = {"name": name, "root": drive.root, "options": options}
    changes |= {"val_root": None, "train": {}, "val": {}}
    return recipe.data.model_copy(update=changes)


def _refuse_leaks(
    drives: Sequence[OpenedDrive], val: SegDataset, console: Console
) -> list[OpenedDrive]:
    """Compare every image of the drives with every validation image.

    Returns:
        The drives with their fingerprints.

    Raises:
        ValueError: some are the same.
    """
    if not val.in_files:
        warn(
            console,
            "the validation frames are in memory, so they are not looked for among the unlabelled "
            "ones; see to it that none is there.",
        )
        return list(drives)
    scored = frame_fingerprints(val, console)
    compared = []
    for drive in drives:
        prints = frame_fingerprints(drive.frames, console)
        leaks = find_leaks(prints, scored)
        if leaks.same:
            raise ValueError(
                f"{len(leaks.same)} unlabelled frames of {drive.data.root} are validation frames "
                f"({named(leaks.same)}); a score on them would mean nothing, so take them out of "
                "one of the two."
            )
        if leaks.similar:
            warn(
                console,
                f"{len(leaks.similar)} unlabelled frames of {drive.data.root} look almost like "
                f"validation frames ({named(leaks.similar)}): resized copies or neighbours in one "
                "video; if so, the scores are too good.",
            )
        compared.append(drive._replace(prints=prints))
    return compared
