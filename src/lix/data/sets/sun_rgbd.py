"""SUN RGB-D: 10 335 indoor images of four depth cameras, 37 classes (Song et al., 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes
from lix.data.labels import IdLabels
from lix.data.options import XFolders
from lix.data.sets.parts.indoor_classes import NYU40
from lix.data.sets.parts.modality_folders import ModalityFolders
from lix.data.sets.parts.stored_depth import INDOORS, StoredDepth
from lix.data.splits import Split
from lix.data.x_files import XFiles

CLASSES = 37
"""The first of NYUv2's 40."""
FIX = "unpack SUN RGB-D there as DFormer or ESANet prepare it (docs/data.md)"


class SUNRGBD(ModalityFolders):
    """SUN RGB-D as DFormer distributes it, or as the data tools of ESANet's authors write it.

    The label 0, unlabelled, is ignored. X is depth (16 bits are millimetres, rotated by three bits
    as in the original files; grey pictures have no unit) or `hha`. The four cameras have sizes of
    their own. NYUv2's images are among these: do not validate on one what has learned from the
    other.

    Args:
        root: folder that holds `RGB`, `Depth` or `HHA`, `labels`, `train.txt` and `test.txt`; or
            `train` and `test` with `rgb`, `depth` and `semantic`.
        labelled: see `SegDataset`; without labels and `lists` all images are opened.
        split: `train` (5285 images), or `val`, the test part (5050), as in all papers.
        modality: `depth`, or `hha`: disparity, height and angle in three channels.
        lists: folder with other lists, a frame id a line.
        x: see `SegDataset`.
    """

    classes = tuple(NYU40)[:CLASSES]
    palette = tuple(NYU40.values())[:CLASSES]
    labels = IdLabels(
        {0: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX} | {i + 1: i for i in range(CLASSES)},
        "labels are 1 to 37, and 0 where there is none",
    )
    image_folder = "rgb"
    flat_labels, split_labels = ("labels",), ("semantic",)
    modalities: ClassVar[Mapping[str, XFiles | StoredDepth]] = {
        "depth": StoredDepth(
            XFiles(kind="depth", unit="m", dtype="uint16", range=INDOORS), rotated=True
        ),
        "hha": XFiles(kind="channels", channels=3, scale=1 / 255),
    }
    left_files: ClassVar[str | None] = "**/[rR][gG][bB]/**/*.*"
    fixes = Fixes(root=f"set data.root to the folder of SUN RGB-D, or {FIX}", image=FIX, label=FIX)

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        modality: Literal["depth", "hha"] = "depth",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        super().__init__(root, labelled, split=split, modality=modality, lists=lists, x=x)
