"""FMB: 1500 streets by day and night with registered infrared, 14 classes (Liu et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes
from lix.data.labels import IdLabels
from lix.data.options import XFolders
from lix.data.sets.parts.modality_folders import ModalityFolders
from lix.data.sets.parts.stored_depth import StoredDepth
from lix.data.splits import Split
from lix.data.x_files import XFiles

CLASSES: dict[str, tuple[int, int, int]] = {
    "background": (0, 0, 0),
    "road": (228, 228, 179),
    "sidewalk": (133, 57, 181),
    "building": (177, 162, 67),
    "traffic light": (50, 178, 200),
    "traffic sign": (199, 45, 132),
    "vegetation": (84, 172, 66),
    "sky": (79, 73, 179),
    "person": (166, 99, 76),
    "car": (253, 121, 66),
    "truck": (91, 165, 137),
    "bus": (152, 97, 155),
    "motorcycle": (140, 153, 105),
    "bicycle": (158, 215, 222),
    "pole": (90, 113, 135),
}
"""Names and the set's colours in the order of the labels."""
FIX = "unpack FMB and set data.root to the folder that holds train and test"


class FMB(ModalityFolders):
    """The full-time multi-modality benchmark of SegMiF; X is infrared in [0, 1].

    Args:
        root: folder that holds `train` and `test` with `Visible`, `Infrared` and `Label`.
        labelled: see `SegDataset`; without labels and `lists` all images are opened.
        split: `train`, or `val`, the test part, as in all papers.
        unlabelled: the label 0, all that is not one of the 14 classes: `ignore`, as SegMiF and
            MMSFormer do, or a `class`, as others do.
        lists: folder with other lists, a frame id such as `train/00001` a line.
        x: see `SegDataset`.
    """

    image_folder = "visible"
    split_labels = ("label",)
    modalities: ClassVar[Mapping[str, XFiles | StoredDepth]] = {
        "infrared": XFiles(kind="channels", scale=1 / 255, dtype="uint8")
    }
    left_files: ClassVar[str | None] = "*/Visible/*.png"
    fixes = Fixes(root=FIX, image=FIX, label=FIX)

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        unlabelled: Literal["ignore", "class"] = "ignore",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        first = 1 if unlabelled == "ignore" else 0
        self.classes, self.palette = tuple(CLASSES)[first:], tuple(CLASSES.values())[first:]
        ids = {label: label - first for label in range(first, len(CLASSES))}
        others = {0: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX}
        self.labels = IdLabels(others | ids, "FMB's labels are 0 to 14")
        super().__init__(root, labelled, split=split, modality="infrared", lists=lists, x=x)
