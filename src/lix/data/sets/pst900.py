"""PST900: underground, 894 images with thermal and stereo depth, 5 classes (Shivakumar, 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from lix.data.dataset import Fixes
from lix.data.labels import IdLabels
from lix.data.options import XFolders
from lix.data.sets.parts.modality_folders import ModalityFolders
from lix.data.sets.parts.stored_depth import StoredDepth
from lix.data.splits import Split
from lix.data.x_files import XFiles

CLASSES: dict[str, tuple[int, int, int]] = {
    "background": (0, 0, 0),
    "fire extinguisher": (255, 0, 0),
    "backpack": (0, 255, 0),
    "hand drill": (0, 0, 255),
    "survivor": (255, 255, 255),
}
"""Names and the authors' colours in the order of the labels."""
FIX = "unpack PST900_RGBT_Dataset.zip and set data.root to the folder that holds train and test"


class PST900(ModalityFolders):
    """PST900: what rescue robots look for in tunnels.

    X is thermal in [0, 1]; pixels of 0 are holes, where the thermal camera does not see what the
    colour camera sees. All five classes are trained and counted, as in all papers.

    Args:
        root: folder that holds `train` and `test` with `rgb`, `thermal`, `depth` and `labels`.
        labelled: see `SegDataset`; without labels and `lists` all images are opened.
        split: `train`, or `val`, the test part, as in all papers.
        modality: `thermal` (8 bits), or `depth` of stereo matching (metres = value / 2560).
        lists: folder with other lists, a frame id such as `train/NAME` a line.
        x: see `SegDataset`.
    """

    classes, palette = tuple(CLASSES), tuple(CLASSES.values())
    labels = IdLabels({i: i for i in range(len(CLASSES))}, "PST900's labels are 0 to 4")
    image_folder = "rgb"
    split_labels = ("labels",)
    modalities: ClassVar[Mapping[str, XFiles | StoredDepth]] = {
        "thermal": XFiles(kind="channels", scale=1 / 255, invalid=(0,), dtype="uint8"),
        "depth": XFiles(kind="depth", unit="m", scale=1 / 2560, dtype="uint16"),
    }
    left_files: ClassVar[str | None] = "*/rgb/*.png"
    fixes = Fixes(root=FIX, image=FIX, label=FIX)

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        modality: Literal["thermal", "depth"] = "thermal",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        super().__init__(root, labelled, split=split, modality=modality, lists=lists, x=x)
