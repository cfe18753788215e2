"""The user's own images, described by one short YAML file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lix.core.errors import DataError, unknown
from lix.core.types import IGNORE_INDEX
from lix.data.description import Files, read_yaml
from lix.data.labels import ColourLabels, IdLabels
from lix.data.modalities import X
from lix.data.options import Folders
from lix.data.readers import read_text, reading
from lix.data.sample import SegDataset, camera_matrix
from lix.data.x_files import XFiles, open_x


class Folder(SegDataset):
    """RGB, labels and, for a teacher, X in any folders, described by a YAML file.

    ```yaml
    classes: [road, car, other]
    ignore: [255]
    x: {kind: depth, unit: mm}           # 0 = not measured
    train: {image: train/*.jpg, label: train/*_label.png, x: train/*_depth.png}
    val: {image: val/*.jpg, label: val/*_label.png, x: val/*_depth.png}
    ```

    Labels hold one class index a pixel, or the colours of `palette`; `docs/your-data.md` says
    more.

    Args:
        root: the YAML file, or a folder that holds it as `lix.yaml`.
        split: `train` or `val`.
        images: folder of the images, in place of the YAML's `root`.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the YAML's, which is called
            `own` among them.

    Raises:
        FileNotFoundError: no YAML file there.
        ValueError: the YAML is wrong, or images and labels do not pair up.
    """

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        images: Path | None = None,
        x: Folders = (),
    ) -> None:
        path = Path(root) / "lix.yaml" if Path(root).is_dir() else Path(root)
        self.description = read_yaml(path)
        if split not in ("train", "val"):
            raise ValueError(unknown("split", split, ["train", "val"]))
        self.base = Path(images or path.parent / self.description.root.expanduser())
        self.classes = self.description.names
        self.palette = tuple(self.description.palette) or _colours(len(self.classes))
        self._files: Files = getattr(self.description, split)
        self._images = matches(self.base, self._files.image)
        listed = self._files.list
        self.ids = self._listed(path.parent / listed) if listed else sorted(self._images)
        self._labels = self.partners(self._files.label)
        patterns = zip(self.description.x, self._files.x, strict=False)
        own = tuple(_PatternSource(files, self, pattern) for files, pattern in patterns)
        self.x_sources = open_x(x, self.base, self.image_path, own)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "lix.yaml").is_file()

    def image_path(self, frame: str) -> Path:
        return self._images[frame]

    def label_path(self, frame: str) -> Path:
        return self._labels[frame]

    def fingerprint(self) -> object:
        return self.description.model_dump(mode="json", exclude={"x", "intrinsics"})

    def intrinsics(self, frame: str) -> Tensor | None:
        camera = self.description.intrinsics
        return None if camera is None else camera_matrix(*camera)

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        path = self.label_path(frame)
        if self.description.palette and _is_coloured(path):
            return self._colour_labels.read(path)
        return self._id_labels.read(path)

    @cached_property
    def _colour_labels(self) -> ColourLabels:
        colours = {c: IGNORE_INDEX for c in self.description.ignore if not isinstance(c, int)}
        colours |= {c: train_id for train_id, c in enumerate(self.description.palette)}
        return ColourLabels(colours, "add it to `palette` or `ignore` in the YAML")

    @cached_property
    def _id_labels(self) -> IdLabels:
        return IdLabels(
            self.description.train_ids,
            "name the class, list the value under `ignore`, or give the `palette` of coloured "
            "labels in the YAML",
        )

    def partners(self, pattern: str) -> dict[str, Path]:
        """Files by what the wildcards stand for, one for each frame.

        Raises:
            ValueError: frames without one.
        """
        found = matches(self.base, pattern)
        lonely = sorted(set(self.ids) - found.keys())
        if lonely:
            raise ValueError(
                f"{len(lonely)} of {len(self.ids)} images have no partner in "
                f"{self.base / pattern}, first {', '.join(lonely[:3])}; the wildcards of image and "
                "partner must stand for the same text."
            )
        return found

    def _listed(self, path: Path) -> list[str]:
        """Names of the frames of a list, whose lines are names or images."""
        if not path.is_file():
            raise DataError(f"{path} is missing; write it with `lix data split`.", path)
        wildcards = _wildcards(self._files.image)
        ids = []
        for line in read_text(path).splitlines():
            if line.strip():
                name = line.strip()
                name = name if name in self._images else _name(wildcards, Path(name)) or name
                if name not in self._images:
                    raise ValueError(
                        f"{path} lists {line.strip()!r}, but {self.base / self._files.image} has "
                        "no such frame; write names as `lix data split` does."
                    )
                ids.append(name)
        if not ids:
            raise ValueError(f"{path} lists no frame; write a frame's name a line.")
        return ids


class _PatternSource:
    """X in files that a pattern of the YAML names."""

    def __init__(self, files: XFiles, dataset: Folder, pattern: str) -> None:
        self.files, self.spec, self.pattern = files, files.spec, pattern
        self._dataset = dataset

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return self._dataset.partners(self.pattern)

    def require(self, frames: Iterable[str]) -> None:
        """The partners are looked for together."""
        len(self._paths)

    def path(self, frame: str) -> Path:
        return self._paths[frame]

    def read(self, frame: str) -> X:
        return self.files.read(self.path(frame))


def _is_coloured(path: Path) -> bool:
    if path.suffix in (".npy", ".npz"):
        return False
    with reading(path), Image.open(path) as file:
        return file.mode.startswith("RGB")


def matches(base: Path, pattern: str) -> dict[str, Path]:
    """Files below a folder by what the wildcards stand for.

    Raises:
        ValueError: none fits, or two under one name.
    """
    wildcards = _wildcards(pattern)
    found: dict[str, Path] = {}
    try:
        fitting = sorted(path for path in base.glob(pattern) if path.is_file())
    except ValueError as error:
        raise ValueError(
            f"{pattern} is no pattern ({error}); write `**/*` for subfolders."
        ) from None
    for path in fitting:
        name = _name(wildcards, path.relative_to(base)) or path.stem
        if name in found:
            raise ValueError(
                f"{found[name]} and {path} both fit {pattern} as {name!r}; name the file type."
            )
        found[name] = path
    if not found:
        raise ValueError(f"No file fits {base / pattern}; correct the pattern or `root`.")
    return found


def _wildcards(pattern: str) -> re.Pattern[str]:
    """A glob pattern without its suffix as a regular expression whose groups are the wildcards."""
    regular = {"**/": "(?:(.*)/)?", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", str(PurePosixPath(pattern).with_suffix("")))
    translated = (
        regular.get(t, f"({t.replace('[!', '[^')})" if t.startswith("[") else re.escape(t))
        for t in tokens
    )
    return re.compile("".join(translated))


def _name(wildcards: re.Pattern[str], path: Path) -> str:
    """What the wildcards stand for in a path, '' where it does not fit."""
    match = wildcards.fullmatch(path.with_suffix("").as_posix())
    return "/".join(filter(None, match.groups())) if match else ""


def _colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours that differ in hue, saturation and brightness."""
    hues = (np.arange(count) * 0.618034) % 1.0
    waves = np.stack([hues, hues + 1 / 3, hues + 2 / 3], axis=1)
    values = np.clip(np.abs((waves % 1.0) * 6 - 3) - 1, 0, 1)
    bright = np.where(np.arange(count) % 2, 255, 160)[:, None]
    return tuple((int(r), int(g), int(b)) for r, g, b in (values * bright).round())
