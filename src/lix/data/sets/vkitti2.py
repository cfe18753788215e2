"""Virtual KITTI 2: rendered drives with exact depth and labels (Cabon et al., 2020)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.core.errors import unknown
from lix.core.types import IGNORE_INDEX
from lix.data.labels import ColourLabels
from lix.data.options import Folders, Names, Numbers
from lix.data.readers import image_size, require_files
from lix.data.sample import SegDataset, camera_matrix
from lix.data.x_files import FileSource, XFiles, open_x

CLASSES: dict[str, tuple[int, int, int]] = {
    "Terrain": (210, 0, 200),
    "Sky": (90, 200, 255),
    "Tree": (0, 199, 0),
    "Vegetation": (90, 240, 0),
    "Building": (140, 140, 140),
    "Road": (100, 60, 100),
    "GuardRail": (250, 100, 255),
    "TrafficSign": (255, 255, 0),
    "TrafficLight": (200, 200, 0),
    "Pole": (255, 130, 0),
    "Misc": (80, 80, 80),
    "Truck": (160, 60, 60),
    "Car": (255, 127, 80),
    "Van": (0, 139, 139),
}
"""Names and label colours in the order of the train ids."""
UNDEFINED = (0, 0, 0)
"""Label colour of what is no class; ignored."""
DEPTH = XFiles(kind="depth", unit="cm", invalid=(0, 65535), dtype="uint16")
"""65535 is the sky and all beyond the far plane."""
OFFICIAL_SIZE = (375, 1242)
OFFICIAL_CAMERA = (725.0087, 725.0087, 620.5, 187.0)
FILES = {
    "rgb": "rgb_{}.jpg",
    "classSegmentation": "classgt_{}.png",
    "depth": "depth_{}.png",
}
"""Folder of a modality → names of its files."""
SPLITS = Path(__file__).parent / "lists" / "vkitti2"
SPLIT_HASHES = {
    "train": "ca955188e5e9d8cceaf4277d455c6471904d4f2c61d9dece2ac5be5bfd031a36",
    "val": "582e9befaabafe0a4fbf1e9e8bfdec31041943433f246a862862045346f46bdc",
}
"""SHA-256 of the committed lists, so that a result names the frames it was made with."""

MISSING = (
    "unpack vkitti_2.0.3_{}.tar there, or keep the frames that you have with scenes, variations, "
    "cameras or lists"
)

Camera = tuple[float, float, float, float]
"""fx, fy, cx, cy in pixels."""


class Frame(NamedTuple):
    """Names one frame, as in `Scene01/clone/Camera_0/00012`."""

    scene: str
    variation: str
    camera: str
    number: str


class VKITTI2(SegDataset):
    """Virtual KITTI 2, merged or one folder per modality, and everything in its layout.

    Args:
        root: folder that holds `Scene01` … or `vkitti_2.0.3_rgb` ….
        split: which list: `train` or `val`.
        lists: folder with `train.txt` and `val.txt` (a frame id a line), `paper` for lix's fixed
            draw of 700 random frames (5:2), `all` for every frame on disk, in both splits.
            Default: the root's own lists if it has them, else `paper`.
        scenes, variations, cameras: keep these only, as in `["Scene01"]`, `["clone"]`, `[0]`.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the rendered depth, which
            is called `own` among them.

    The ten variations of a scene show the same drive: to test on unseen streets split by scene.

    Raises:
        FileNotFoundError: root or list is missing.
        ValueError: no frame fits, a list is damaged, or images or labels are missing.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    every_frame: ClassVar[Mapping[str, Any]] = {"lists": "all"}
    left_files: ClassVar[str | None] = "**/Scene*/*/frames/rgb/Camera_0/rgb_*.jpg"
    right_files: ClassVar[str | None] = "**/Scene*/*/frames/rgb/Camera_1/rgb_*.jpg"

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        lists: Literal["paper", "all"] | Path | None = None,
        scenes: Names = (),
        variations: Names = (),
        cameras: Numbers = (),
        x: Folders = (),
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"{self.root} is missing; set data.root to the Virtual KITTI 2 folder "
                "or make one with `lix data streets`."
            )
        if split not in SPLIT_HASHES:
            raise ValueError(unknown("split of Virtual KITTI 2", split, list(SPLIT_HASHES)))
        self._folders = _Folders(self.root)
        frames = self._listed(split, lists)
        frames = _only(frames, "scene", scenes)
        frames = _only(frames, "variation", variations)
        frames = _only(frames, "camera", cameras)
        if not frames:
            raise ValueError(
                f"{self.root} has no frame for split={split!r} and lists={lists!r}; write frame "
                "ids into the list, or choose lists=all."
            )
        self.ids = ["/".join(frame) for frame in frames]
        self._labels = ColourLabels(
            {UNDEFINED: IGNORE_INDEX} | {colour: i for i, colour in enumerate(self.palette)},
            "vKITTI 1.3.1 has other colours, and resized labels mix them",
        )
        self._require("rgb")
        self._require("classSegmentation")
        depth = FileSource(DEPTH, partial(self._file, "depth"), MISSING.format("depth"))
        self.x_sources = open_x(x, self.root, self.image_path, own=(depth,))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any(re.match(r"scene\d\d$|vkitti_[\d.]+_rgb$", name) for name in _children(root))

    def image_path(self, frame: str) -> Path:
        return self._file("rgb", frame)

    def label_path(self, frame: str) -> Path:
        return self._file("classSegmentation", frame)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        return self._labels.read(self.label_path(frame))

    def sequence(self, name: str) -> str:
        return name.partition("/")[0]  # the variations of a scene show one drive

    def moment(self, name: str) -> str:
        scene, *_, number = name.split("/")
        return f"{scene}/{number}"  # in all variations and both cameras

    def intrinsics(self, frame: str) -> Tensor | None:
        found = self._folders.intrinsics(Frame(*frame.split("/")))
        if found is None and image_size(self.image_path(frame)) == OFFICIAL_SIZE:
            found = OFFICIAL_CAMERA
        return None if found is None else camera_matrix(*found)

    def _file(self, modality: str, frame: str) -> Path:
        return self._folders.file(Frame(*frame.split("/")), modality)

    def _listed(self, split: str, lists: str | Path | None) -> list[Frame]:
        if lists == "all":
            return self._folders.frames()
        own = (self.root if lists is None else Path(lists)) / f"{split}.txt"
        if lists == "paper" or (lists is None and not own.is_file()):
            return _parse(paper_list(split), SPLITS / f"{split}.txt")
        if not own.is_file():
            raise FileNotFoundError(
                f"{own} is missing; write one frame id a line into it, or choose lists=paper or "
                "lists=all."
            )
        return _parse(own.read_text(encoding="utf-8"), own)

    def _require(self, modality: str) -> None:
        paths = [self._file(modality, frame) for frame in self.ids]
        require_files(paths, modality, MISSING.format(modality))


class _Folders:
    """Finds frames whatever the layout and the case of the folders' names."""

    def __init__(self, root: Path) -> None:
        self._trees = {"textgt": root} | dict.fromkeys(FILES, root)
        for modality in self._trees:
            for name, path in _children(root).items():
                if re.fullmatch(rf"vkitti_[\d.]+_{modality.lower()}", name):
                    self._trees[modality] = path
        self._folders: dict[tuple[str, ...], Path] = {}
        self._cameras: dict[tuple[str, str], dict[tuple[int, int], Camera]] = {}

    def file(self, frame: Frame, modality: str) -> Path:
        scene, variation, camera, number = frame
        folder = self._folder(modality, scene, variation, "frames", modality, camera)
        return folder / FILES[modality].format(number)

    def frames(self) -> list[Frame]:
        """Every frame that has an image."""
        found = []
        for scene, folder in _sorted_children(self._trees["rgb"], r"scene\d\d"):
            for _, variation in _sorted_children(folder, r".+"):
                rgb = self._folder("rgb", scene, variation.name, "frames", "rgb")
                for camera, images in _sorted_children(rgb, r"camera_[01]"):
                    found += [
                        Frame(scene.capitalize(), variation.name, camera.capitalize(), number[4:])
                        for number in sorted(path.stem for path in images.glob("rgb_*.jpg"))
                    ]
        return found

    def intrinsics(self, frame: Frame) -> Camera | None:
        key = frame.scene, frame.variation
        if key not in self._cameras:
            self._cameras[key] = _cameras(self._folder("textgt", *key) / "intrinsic.txt")
        return self._cameras[key].get((int(frame.number), int(frame.camera[-1])))

    def _folder(self, modality: str, *names: str) -> Path:
        key = modality, *names
        if key not in self._folders:
            folder = self._trees[modality]
            for name in names:
                exact = folder / name
                folder = exact if exact.is_dir() else _children(folder).get(name.lower(), exact)
            self._folders[key] = folder
        return self._folders[key]


def _children(folder: Path) -> dict[str, Path]:
    """Folders below `folder` by lower-case name."""
    return {p.name.lower(): p for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else {}


def _sorted_children(folder: Path, pattern: str) -> list[tuple[str, Path]]:
    return [pair for pair in sorted(_children(folder).items()) if re.fullmatch(pattern, pair[0])]


def _cameras(path: Path) -> dict[tuple[int, int], Camera]:
    """(frame, camera) → fx, fy, cx, cy of an `intrinsic.txt`; empty where there is none."""
    if not path.is_file():
        return {}
    cameras = {}
    for row in path.read_text(encoding="utf-8").splitlines():
        if row[:1].isdigit():
            try:
                number, camera, *values = row.split()
                fx, fy, cx, cy = map(float, values)
                cameras[int(number), int(camera)] = fx, fy, cx, cy
            except ValueError:
                raise ValueError(
                    f"{path}: {row!r} is not `frame cameraID fx fy cx cy`; restore the file."
                ) from None
    return cameras


def _only(frames: list[Frame], part: str, kept: Sequence[object] | int) -> list[Frame]:
    """Frames whose scene, variation or camera is among `kept`, one or several; all if empty."""
    wanted = [str(name) for name in ([kept] if isinstance(kept, str | int) else kept)]
    if not wanted:
        return frames
    names = [f"Camera_{name}" if part == "camera" and name.isdigit() else name for name in wanted]
    present = sorted({getattr(frame, part) for frame in frames})
    for name in names:
        if name not in present:
            raise ValueError(unknown(f"{part} in these lists", name, present))
    return [frame for frame in frames if getattr(frame, part) in names]


def paper_list(split: str) -> str:
    """The committed list of lix's draw for the paper's 5:2 split of 700 random frames.

    Raises:
        ValueError: the list is not the committed one.
    """
    path = SPLITS / f"{split}.txt"
    text = path.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != SPLIT_HASHES[split]:
        raise ValueError(f"{path} was changed; reinstall lix to restore the split.")
    return text


def _parse(text: str, source: Path) -> list[Frame]:
    frames = []
    for line in text.split():
        if not re.fullmatch(r"Scene\d\d/[^/]+/Camera_[01]/\d{5}", line):
            raise ValueError(
                f"{source}: {line!r} is no frame id; write them like Scene01/clone/Camera_0/00012."
            )
        frames.append(Frame(*line.split("/")))
    return frames
