"""Sets with a folder for each modality, flat with lists or below `train` and `test`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

from lix.data.dataset import SegDataset
from lix.data.options import XFolders
from lix.data.patterns import find_files
from lix.data.sets.parts.stored_depth import StoredDepth
from lix.data.sets.parts.vkitti2_layout import children
from lix.data.splits import COLUMNS, Split, read_list
from lix.data.x_files import FileSource, XFiles, XSource

IMAGES = (".jpg", ".jpeg", ".png")
X_SUFFIXES = (".png", ".jpg", ".npy")
PARTS: Mapping[str, str] = {"train": "train", "val": "test"}
"""Split → list or folder of the set: all papers validate on its test part."""


class ModalityFolders(SegDataset):
    """What sets share whose files of a frame have one name in a folder for each modality.

    The folders are in the root, next to `train.txt` and `test.txt`, or in `train` and `test` in the
    root; their names in any case. A frame's id is its file's name, or `train/` and the name.

    Args:
        root: see the set.
        labelled: see `SegDataset`.
        split: `train`, or `val`, which is the set's test part as in all papers.
        modality: which of the set's own X to read.
        lists: see `SegDataset`.
        x: see `SegDataset`.
    """

    image_folder: ClassVar[str]
    """Lower-case name of the folder of the images."""
    flat_labels: ClassVar[tuple[str, ...]] = ()
    """Lower-case names that the folder of the labels may have next to the lists."""
    split_labels: ClassVar[tuple[str, ...]] = ()
    """The same in `train` and `test`."""
    modalities: ClassVar[Mapping[str, XFiles | StoredDepth]]
    """Own X, which is also the lower-case name of its folder, → what its numbers mean."""

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        modality: str,
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self._modality = modality
        self._children: dict[Path, dict[str, Path]] = {}
        super().__init__(root, labelled, split=split, lists=lists, x=x)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        has_list = (root / "train.txt").is_file()
        if has_list and cls._fits(root, cls.flat_labels):
            return True
        return any(cls._fits(root / part, cls.split_labels) for part in PARTS.values())

    @classmethod
    def _fits(cls, base: Path, labels: Collection[str]) -> bool:
        present = children(base)
        return cls.image_folder in present and not present.keys().isdisjoint(labels)

    def select(self, split: Split, lists: Path | None) -> list[str]:
        if lists is None and self.labelled and self._is_flat and self._images:
            path = self.root / f"{PARTS[split]}.txt"
            return read_list(path, (), self._listed)  # an image that is missing is found later
        return super().select(split, lists)

    def frames(self, split: Split | None) -> Collection[str]:
        if split is None or self._is_flat:
            return self._images
        return [frame for frame in self._images if frame.startswith(f"{PARTS[split]}/")]

    def image_path(self, frame: str) -> Path:
        if frame in self._images:
            return self._images[frame]
        other = next(iter(self._images.values()))  # what a list names and the disk lacks
        return self.root / other.relative_to(self.root).parts[0] / f"{frame}{other.suffix}"

    def label_path(self, frame: str) -> Path:
        names = self.flat_labels if self._is_flat else self.split_labels
        return self._folder(frame, *names) / f"{self._name(frame)}.png"

    def own_x(self) -> tuple[XSource, ...]:
        files, path = self.modalities[self._modality], partial(self._x_path, self._modality)
        fix = f"restore the folder {self._modality}, or name other X under data.options.x"
        if isinstance(files, XFiles):
            return (FileSource(files, path, fix),)
        return (files.source(path, fix, next(iter(self._images), "")),)

    @cached_property
    def _is_flat(self) -> bool:
        return bool(self.flat_labels) and self.image_folder in children(self.root)

    @cached_property
    def _images(self) -> dict[str, Path]:
        """Frame → image, of both parts."""
        return dict(self._find_images())

    def _find_images(self) -> Iterator[tuple[str, Path]]:
        for part in ("",) if self._is_flat else PARTS.values():
            folder = children(self.root / part).get(self.image_folder)
            for path in find_files(folder, "**/*") if folder else ():
                if path.suffix.lower() in IMAGES:
                    name = path.relative_to(folder or path).with_suffix("").as_posix()
                    yield f"{part}/{name}" if part else name, path

    def _listed(self, text: str) -> str | None:
        """The frame of a column of a list: its name, or the path of its image."""
        if text.startswith("#") or COLUMNS.search(text):
            return None
        path = PurePosixPath(text.replace("\\", "/"))
        name = path.with_suffix("") if path.suffix.lower() in IMAGES else path
        folders = [part.lower() for part in name.parts]
        start = folders.index(self.image_folder) + 1 if self.image_folder in folders else 0
        return "/".join(name.parts[start:])

    def _name(self, frame: str) -> str:
        return frame if self._is_flat else frame.partition("/")[2]

    def _folder(self, frame: str, *names: str) -> Path:
        """The folder next to that of a frame's image which has one of the names, in any case."""
        base = self.image_path(frame).parents[self._name(frame).count("/") + 1]
        if base not in self._children:
            self._children[base] = children(base)
        present = self._children[base]
        return next((present[name] for name in names if name in present), base / names[0])

    def _x_path(self, modality: str, frame: str) -> Path:
        stem = self._folder(frame, modality) / self._name(frame)
        paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in X_SUFFIXES]
        return next((path for path in paths if path.is_file()), paths[0])
