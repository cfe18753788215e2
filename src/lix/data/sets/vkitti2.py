"""Virtual KITTI 2: rendered drives with exact depth and labels (Cabon et al., 2020)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from lix.core.types import IGNORE_INDEX
from lix.data.dataset import Fixes, SegDataset
from lix.data.labels import ColourLabels
from lix.data.options import Integers, Names, XFolders, as_tuple
from lix.data.readers import image_size, read_text
from lix.data.sample import camera_matrix
from lix.data.sets.parts.vkitti2_layout import Layout, children
from lix.data.splits import SPLITS, TRAIN_AND_VAL, Split, keep_only, require_once
from lix.data.x_files import FileSource, XFiles, XSource
from lix.streets.labels import COLOURS

UNDEFINED = "Undefined"
"""Name in the table of colours of what is not a class; ignored."""
CLASSES = {name: colour for name, colour in COLOURS.items() if name != UNDEFINED}
"""Names and label colours in the order of the train ids."""
DEPTH = XFiles(kind="depth", unit="cm", invalid=(0, 65535), dtype="uint16")
"""65535 is the sky and all beyond the far plane."""
OFFICIAL_SIZE = (375, 1242)
OFFICIAL_CAMERA = (725.0087, 725.0087, 620.5, 187.0)
LISTS = Path(__file__).parent / "lists" / "vkitti2"
LIST_HASHES = {
    "train": "ca955188e5e9d8cceaf4277d455c6471904d4f2c61d9dece2ac5be5bfd031a36",
    "val": "582e9befaabafe0a4fbf1e9e8bfdec31041943433f246a862862045346f46bdc",
}
"""SHA-256 of the committed lists, so that a result names the frames it was made with."""
MISSING = (
    "unpack vkitti_2.0.3_{}.tar there, or keep the frames that you have with scenes, variations, "
    "cameras or lists"
)


class VKITTI2(SegDataset):
    """Virtual KITTI 2, merged or one folder per modality, and everything in its layout.

    The ten variations of a scene show the same drive: to test on unseen streets split by scene.
    A frame id is `Scene01/clone/Camera_0/00012`.

    Args:
        root: folder that holds `Scene01` … or `vkitti_2.0.3_rgb` ….
        labelled: see `SegDataset`; without labels and `lists` all frames on disk are opened.
        split: which list: `train`, `val` or, where there is a `test.txt`, `test`.
        lists: folder with `train.txt`, `val.txt` and, if wanted, `test.txt` (a frame id a line),
            `paper` for lix's fixed draw of 700 random frames (5:2), `all` for every frame on disk,
            in both splits. Default: the root's own lists if it has them, else `paper`.
        scenes, variations, cameras: keep these only, as in `["Scene01"]`, `["clone"]`, `[0]`.
        x: see `SegDataset`; the set's own X is the rendered depth.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    labels = ColourLabels(
        {COLOURS[UNDEFINED]: IGNORE_INDEX} | {colour: i for i, colour in enumerate(palette)},
        "vKITTI 1.3.1 has other colours, and resized labels mix them",
    )
    every_frame: ClassVar[Mapping[str, Any]] = {"lists": "all"}
    left_files: ClassVar[str | None] = "**/Scene*/*/frames/rgb/Camera_0/rgb_*.jpg"
    right_files: ClassVar[str | None] = "**/Scene*/*/frames/rgb/Camera_1/rgb_*.jpg"
    fixes = Fixes(
        root="set data.root to the Virtual KITTI 2 folder or make one with `lix data streets`",
        image=MISSING.format("rgb"),
        label=MISSING.format("classSegmentation"),
    )

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        lists: Literal["paper", "all"] | Path | None = None,
        scenes: Names = (),
        variations: Names = (),
        cameras: Integers = (),
        x: XFolders = (),
    ) -> None:
        names = [f"Camera_{n}" if str(n).isdigit() else n for n in as_tuple(cameras)]
        self._kept = {"scene": scenes, "variation": variations, "camera": names}
        self._lists = lists
        self._layout = Layout(Path(root))
        super().__init__(root, labelled, split=split, x=x)

    @property
    def splits(self) -> tuple[Split, ...]:
        is_folder = self._lists not in ("all", "paper")
        return SPLITS if is_folder and self._list("test").is_file() else TRAIN_AND_VAL

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(re.match(r"scene\d\d$|vkitti_[\d.]+_rgb$", name) for name in children(root))

    def select(self, split: Split, lists: Path | None) -> list[str]:
        return keep_only(self._listed(split), self._kept)

    def frames(self, split: Split | None) -> Collection[str]:
        return list(self._layout.frames())

    def image_path(self, frame: str) -> Path:
        return self._layout.file("rgb", frame)

    def label_path(self, frame: str) -> Path:
        return self._layout.file("classSegmentation", frame)

    def own_x(self) -> tuple[XSource, ...]:
        path = partial(self._layout.file, "depth")
        return (FileSource(DEPTH, path, MISSING.format("depth")),)

    def sequence(self, name: str) -> str:
        return name.partition("/")[0]  # the variations of a scene show one drive

    def instant(self, name: str) -> str:
        scene, *_, number = name.split("/")
        return f"{scene}/{number}"  # in all variations and both cameras

    def conditions(self, frame: str) -> Mapping[str, str]:
        return {"variation": frame.split("/")[1]}

    def intrinsics(self, frame: str) -> Tensor | None:
        camera = self._layout.camera(frame)
        if camera is None and image_size(self.image_path(frame)) == OFFICIAL_SIZE:
            camera = OFFICIAL_CAMERA
        return None if camera is None else camera_matrix(*camera)

    def _listed(self, split: Split) -> Collection[str]:
        lists = self._lists
        if lists == "all" or (lists is None and not self.labelled):
            return self.frames(None)
        path = self._list(split)
        if lists == "paper" or (lists is None and not path.is_file()):
            return paper_list(split).split()
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; write one frame id a line into it, or choose lists=paper or "
                "lists=all."
            )
        ids = read_text(path).split()
        require_once(path, ids)
        for line in ids:
            if not re.fullmatch(r"Scene\d\d/[^/]+/Camera_[01]/\d{5}", line):
                raise ValueError(
                    f"{path}: {line!r} is not a frame id; write them like "
                    "Scene01/clone/Camera_0/00012."
                )
        return ids

    def _list(self, split: Split) -> Path:
        """The file that lists a split, by the root or by a folder of lists."""
        return (self.root if self._lists is None else Path(self._lists)) / f"{split}.txt"


def paper_list(split: Split) -> str:
    """The committed list of lix's draw for the paper's 5:2 split of 700 random frames.

    Raises:
        ValueError: the list is not the committed one.
    """
    path = LISTS / f"{split}.txt"
    text = path.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != LIST_HASHES[split]:
        raise ValueError(f"{path} was changed; reinstall lix to restore the split.")
    return text
