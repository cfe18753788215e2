"""The folders of Virtual KITTI 2: merged or one per modality, in any case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lix.data.patterns import find_files

FILES = {
    "rgb": "rgb_{}.jpg",
    "classSegmentation": "classgt_{}.png",
    "depth": "depth_{}.png",
}
"""Folder of a modality → names of its files."""
Camera = tuple[float, float, float, float]
"""fx, fy, cx, cy in pixels."""


class Layout:
    """Finds files whatever the layout and the case of the folders' names."""

    def __init__(self, root: Path) -> None:
        self._trees = {"textgt": root} | dict.fromkeys(FILES, root)
        for modality in self._trees:
            for name, path in children(root).items():
                if re.fullmatch(rf"vkitti_[\d.]+_{modality.lower()}", name):
                    self._trees[modality] = path
        self._folders: dict[tuple[str, ...], Path] = {}
        self._cameras: dict[tuple[str, str], dict[tuple[int, int], Camera]] = {}

    def file(self, modality: str, frame: str) -> Path:
        """A modality's file of a frame."""
        scene, variation, camera, number = frame.split("/")
        folder = self._folder(modality, scene, variation, "frames", modality, camera)
        return folder / FILES[modality].format(number)

    def frames(self) -> Iterator[str]:
        """Id of every frame that has an image."""
        for scene, folder in _sorted_children(self._trees["rgb"], r"scene\d\d"):
            for _, variation in _sorted_children(folder, r".+"):
                rgb = self._folder("rgb", scene, variation.name, "frames", "rgb")
                for camera, images in _sorted_children(rgb, r"camera_[01]"):
                    names = scene.capitalize(), variation.name, camera.capitalize()
                    for number in (path.stem[4:] for path in find_files(images, "rgb_*.jpg")):
                        yield "/".join((*names, number))

    def camera(self, frame: str) -> Camera | None:
        """The camera of a frame, None where the set has no file of it."""
        scene, variation, camera, number = frame.split("/")
        key = scene, variation
        if key not in self._cameras:
            self._cameras[key] = _cameras(self._folder("textgt", *key) / "intrinsic.txt")
        return self._cameras[key].get((int(number), int(camera[-1])))

    def _folder(self, modality: str, *names: str) -> Path:
        key = modality, *names
        if key not in self._folders:
            folder = self._trees[modality]
            for name in names:
                exact = folder / name
                folder = exact if exact.is_dir() else children(folder).get(name.lower(), exact)
            self._folders[key] = folder
        return self._folders[key]


def children(folder: Path) -> dict[str, Path]:
    """Folders below `folder` by lower-case name."""
    return {p.name.lower(): p for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else {}


def _sorted_children(folder: Path, pattern: str) -> list[tuple[str, Path]]:
    return [pair for pair in sorted(children(folder).items()) if re.fullmatch(pattern, pair[0])]


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
