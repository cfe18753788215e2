"""NYU Depth v2: 1449 indoor images with Kinect depth, 40 or 13 classes (Silberman et al., 2012)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes
from lix.data.labels import IdLabels
from lix.data.options import XFolders
from lix.data.readers import image_size
from lix.data.sample import camera_matrix
from lix.data.sets.mfnet_rgbt import MFNetRGBT
from lix.data.sets.parts.indoor_classes import NYU13, NYU40, NYU40_TO_13
from lix.data.sets.parts.modality_folders import ModalityFolders
from lix.data.sets.parts.stored_depth import INDOORS, StoredDepth
from lix.data.splits import Split
from lix.data.x_files import XFiles

MAT = "nyu_depth_v2_labeled.mat"
FIX = f"write the folders from {MAT} with `lix data unpack`"
SIZE = (480, 640)
CAMERA = (518.857901, 519.469611, 325.582449, 253.736166)
"""fx, fy, cx, cy of the colour camera at `SIZE`, by the toolbox of the authors."""


class NYUv2(ModalityFolders):
    """NYU Depth v2 in the folders of SA-Gate, CMX and DFormer, or in those of ESANet.

    The label 0, unlabelled, is ignored. X is depth (16 bits are millimetres, `.npy` metres, and the
    grey pictures of DFormer have no unit) or `hha`.

    Args:
        root: folder that holds `RGB`, `Depth` or `HHA`, `Label`, `train.txt` and `test.txt`; or
            `train` and `test` with `rgb`, `depth` and `labels_40` or `semantic_40`.
        labelled: see `SegDataset`; without labels and `lists` all 1449 images are opened.
        split: `train` (795 images), or `val`, the test part (654), as in all papers.
        classes: 40, or 13, into which the 40 are merged.
        modality: `depth`, or `hha`: disparity, height and angle in three channels.
        lists: folder with other lists, a name such as `17` a line.
        x: see `SegDataset`.
    """

    image_folder = "rgb"
    flat_labels, split_labels = ("label",), ("labels_40", "semantic_40")
    modalities: ClassVar[Mapping[str, XFiles | StoredDepth]] = {
        "depth": StoredDepth(XFiles(kind="depth", unit="mm", dtype="uint16", range=INDOORS)),
        "hha": XFiles(kind="channels", channels=3, scale=1 / 255),
    }
    left_files: ClassVar[str | None] = "**/[rR][gG][bB]/*.*"
    fixes = Fixes(
        root=f"set data.root to the folder of NYUv2, or {FIX}",
        image=f"set data.root to a folder that holds RGB, or {FIX}",
        label=f"restore the labels in {{root}}, or {FIX}",
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        classes: Literal[40, 13] = 40,
        modality: Literal["depth", "hha"] = "depth",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        names = NYU40 if classes == 40 else NYU13
        self.classes, self.palette = tuple(names), tuple(names.values())
        merged = range(40) if classes == 40 else NYU40_TO_13
        ids = {0: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX}
        self.labels = IdLabels(
            ids | dict(enumerate(merged, 1)),
            "labels are 1 to 40, and 0 where there is none",
        )
        super().__init__(root, labelled, split=split, modality=modality, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return super().recognises(root) and not MFNetRGBT.recognises(root)

    def intrinsics(self, frame: str) -> Tensor | None:
        return camera_matrix(*CAMERA) if image_size(self.image_path(frame)) == SIZE else None
