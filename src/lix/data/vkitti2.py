"""Virtual KITTI 2: rendered drives with exact depth and labels (Cabon et al., 2020)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from lix.data.sample import IGNORE, Sample, SegDataset, check_sizes, read_array, read_rgb
from lix.data.x import Depth

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
"""Names and label colours in the order of the train ids. `Undefined` (0, 0, 0) is ignored."""
UNDEFINED = (0, 0, 0)
NO_DEPTH = 65535
"""Depth code of the sky and of all beyond the far plane."""
OFFICIAL_SIZE = (375, 1242)
OFFICIAL_CAMERA = (725.0087, 725.0087, 620.5, 187.0)
SPLITS = Path(__file__).parent / "splits" / "vkitti2"
SPLIT_HASHES = {
    "train": "ca955188e5e9d8cceaf4277d455c6471904d4f2c61d9dece2ac5be5bfd031a36",
    "val": "582e9befaabafe0a4fbf1e9e8bfdec31041943433f246a862862045346f46bdc",
}
"""SHA-256 of the committed lists, so that a result names the frames it was made with."""


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
            draw of 700 random frames (5:2), `all` for every frame on disk. Default: the root's
            own lists if it has them, else `paper`.
        scenes, variations, cameras: keep these only, as in `["Scene01"]`, `["clone"]`, `[0]`.

    The ten variations of a scene show the same drive: to test on unseen streets split by scene.

    Raises:
        FileNotFoundError: root is missing.
        ValueError: no frame fits, a list is damaged.
    """

    classes = tuple(CLASSES)
    palette = tuple(CLASSES.values())
    x_kind = "depth"
    x_channels = 1

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        lists: str | None = None,
        scenes: Sequence[str] = (),
        variations: Sequence[str] = (),
        cameras: Sequence[int] = (),
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"{self.root} is missing; set data.root to the Virtual KITTI 2 folder "
                "or make one with `lix data streets`."
            )
        self._folders = _Folders(self.root)
        frames = [
            frame
            for frame in self._listed(split, lists)
            if (not scenes or frame.scene in scenes)
            and (not variations or frame.variation in variations)
            and (not cameras or frame.camera in [f"Camera_{c}" for c in cameras])
        ]
        if not frames:
            raise ValueError(
                f"{self.root} has no frame for split={split!r}, lists={lists!r}, "
                f"scenes={list(scenes)}, variations={list(variations)}, cameras={list(cameras)}."
            )
        self.ids = ["/".join(frame) for frame in frames]

    def read(self, index: int, *, with_x: bool) -> Sample:
        frame = Frame(*self.ids[index].split("/"))
        image_path = self._folders.file(frame, "rgb", "rgb", ".jpg")
        label_path = self._folders.file(frame, "classSegmentation", "classgt", ".png")
        image = read_rgb(image_path)
        sample = Sample(
            image=image,
            target=tv_tensors.Mask(torch.from_numpy(_labels(label_path)).long()),
            id=self.ids[index],
            intrinsics=self._intrinsics(frame, tuple(image.shape[-2:])),
        )
        if with_x:
            sample.x = _depth(self._folders.file(frame, "depth", "depth", ".png"))
        return check_sizes(sample, image_path)

    def _listed(self, split: str, lists: str | None) -> list[Frame]:
        if lists == "all":
            return self._folders.frames()
        own = Path(self.root if lists in (None, "paper") else lists) / f"{split}.txt"
        if lists is None and not own.is_file() or lists == "paper":
            return _parse(paper_list(split), SPLITS / f"{split}.txt")
        if not own.is_file():
            raise FileNotFoundError(f"{own} is missing; write one frame id a line into it.")
        return _parse(own.read_text(encoding="utf-8"), own)

    def _intrinsics(self, frame: Frame, size: tuple[int, ...]) -> Tensor | None:
        found = self._folders.intrinsics(frame).get((int(frame.number), int(frame.camera[-1])))
        if found is None and size == OFFICIAL_SIZE:
            found = OFFICIAL_CAMERA
        if found is None:
            return None
        fx, fy, cx, cy = found
        return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


class _Folders:
    """Finds frames whatever the layout and the case of the folders' names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._children = cache(_children)
        self._cameras = cache(_cameras)

    def file(self, frame: Frame, modality: str, prefix: str, suffix: str) -> Path:
        folder = self._modality(frame.scene, frame.variation, modality)
        return folder / frame.camera / f"{prefix}_{frame.number}{suffix}"

    def frames(self) -> list[Frame]:
        found = []
        for scene in sorted(self._children(self._tree("rgb")).values()):
            if not re.fullmatch(r"Scene\d\d", scene.name):
                continue
            for variation in sorted(self._children(scene).values()):
                rgb = self._modality(scene.name, variation.name, "rgb")
                found += [
                    Frame(scene.name, variation.name, path.parent.name, path.stem[4:])
                    for path in sorted(rgb.glob("Camera_[01]/rgb_*.jpg"))
                ]
        return found

    def intrinsics(self, frame: Frame) -> dict[tuple[int, int], Camera]:
        return self._cameras(
            self._tree("textgt") / frame.scene / frame.variation / "intrinsic.txt"
        )

    def _tree(self, modality: str) -> Path:
        """ROOT/vkitti_2.0.3_<modality> where modalities are apart, else ROOT."""
        return self._children(self.root).get(f"vkitti_2.0.3_{modality.lower()}", self.root)

    def _modality(self, scene: str, variation: str, modality: str) -> Path:
        frames = self._tree(modality) / scene / variation / "frames"
        return self._children(frames).get(modality.lower(), frames / modality)


def _children(folder: Path) -> dict[str, Path]:
    """Folders below `folder` by lower-case name."""
    return {p.name.lower(): p for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else {}


def _cameras(path: Path) -> dict[tuple[int, int], Camera]:
    """(frame, camera) → fx, fy, cx, cy of an `intrinsic.txt`; empty where there is none."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {
        (int(n), int(c)): (float(fx), float(fy), float(cx), float(cy))
        for n, c, fx, fy, cx, cy in rows
    }


def paper_list(split: str) -> str:
    """The committed list of lix's draw for the paper's 5:2 split of 700 random frames.

    Raises:
        ValueError: the list is not the committed one.
    """
    text = (SPLITS / f"{split}.txt").read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != SPLIT_HASHES[split]:
        raise ValueError(f"{SPLITS / split}.txt was changed; reinstall lix to restore the split.")
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


@cache
def _class_of_colour() -> NDArray[np.uint8]:
    """Table from r << 16 | g << 8 | b to train id; 254 marks colours that are no class."""
    table = np.full(1 << 24, 254, np.uint8)
    for train_id, (r, g, b) in enumerate(CLASSES.values()):
        table[r << 16 | g << 8 | b] = train_id
    table[0] = IGNORE
    return table


def _labels(path: Path) -> NDArray[np.uint8]:
    colours = read_array(path, "RGB").astype(np.uint32)
    ids = _class_of_colour()[colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]]
    unknown = ids == 254
    if unknown.any():
        raise ValueError(
            f"{path} has the colour {tuple(colours[unknown][0].tolist())}, which is no class of "
            "Virtual KITTI 2; vKITTI 1.3.1 has other colours, and resized labels mix them."
        )
    return ids


def _depth(path: Path) -> Depth:
    """Centimetres as uint16 → metres; the far plane is NaN."""
    centimetres = read_array(path)
    if centimetres.dtype not in (np.uint16, np.int32) or centimetres.ndim != 2:
        raise ValueError(f"{path} is no 16-bit depth PNG; vKITTI 2 stores centimetres as uint16.")
    metres = centimetres.astype(np.float32) / 100.0
    metres[(centimetres == NO_DEPTH) | (centimetres == 0)] = np.nan
    return Depth(torch.from_numpy(metres).unsqueeze(0))
