"""The contract of every data set: what a subclass says, and what all do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from lix.core.errors import unknown
from lix.core.types import IGNORE_INDEX
from lix.data.image_paths import ImagePaths
from lix.data.labels import Form
from lix.data.modalities import XSpec
from lix.data.options import Span, XFolders
from lix.data.readers import read_rgb, require_files
from lix.data.sample import Sample, check_sizes
from lix.data.splits import (
    SPLITS,
    TRAIN_AND_VAL,
    Split,
    no_test_split,
    read_list,
    sequence,
    split_names,
)
from lix.data.x_files import XSource, open_x


class Labels(Protocol):
    """Reads label images, such as `lix.data.labels.IdLabels`."""

    def read(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) train ids."""


class Fixes(NamedTuple):
    """What to do about missing parts of a data set; `{root}` stands for its folder."""

    root: str
    image: str
    label: str
    test: str = "write `test.txt`, a frame id a line, and name its folder under data.options.lists"


class SegDataset(ABC):
    """A data set on disk; a subclass says its layout, its labels and its X.

    To open it looks for the images and labels of every frame, so that a missing file stops a run
    before it starts. X is first looked for, and then for all frames, by `read(…, with_x=True)`:
    a student needs no X on its disk.

    Args:
        root: the data set's folder.
        labelled: False: no label is looked for or read, every target is 255 everywhere, and the
            frames are all that have an image, or those of `lists`. It is not an option of a
            recipe, so it is not keyword-only.
        split: `train`, `val` or, where there is one (`splits`), `test`.
        lists: folder with `train.txt`, `val.txt` and, if wanted, `test.txt`, a frame id a line.
        x: folders of X (`lix.data.x_files.FolderSource`) in place of the set's own X, which is
            called `own` among them.

    Raises:
        FileNotFoundError: the root or all images are missing.
        ValueError: no such split (a DataError of the kind `no split` where it is `test` and the set
            has none), a wrong list, or missing images or labels.
    """

    classes: tuple[str, ...]
    """Names by train id."""
    palette: tuple[tuple[int, int, int], ...]
    """RGB by train id, for pictures."""
    not_scored: tuple[str, ...] = ()
    """Classes that networks learn and predict, but that no score contains."""
    labels: Labels
    """Reader of the label files."""
    fixes: ClassVar[Fixes] = Fixes(
        root="set data.root to the folder of the data set",
        image="correct data.root, or restore the images",
        label="restore the labels in {root}",
    )
    left_files: ClassVar[str | None] = None
    """Glob pattern of the RGB images below the root, for `lix data depth`."""
    right_files: ClassVar[str | None] = None
    """Glob pattern of the right images of stereo pairs, where there are some."""
    every_frame: ClassVar[Mapping[str, Any]] = {}
    """Options that open all frames on disk, where the set's own splits leave some out."""
    in_files: ClassVar[bool] = True
    """Whether frames are files, so that a run can open them again from its folder."""
    labelled: bool = True
    """Whether labels are read; else every target is 255 everywhere."""
    ids: list[str]
    """Ids of the frames in their order; fewer may be set to leave frames out."""
    x_sources: tuple[XSource, ...] = ()
    """Where X comes from; empty where the set has none."""
    _x_is_complete = False

    def __init__(
        self,
        root: Path,
        labelled: bool = True,
        *,
        split: Split = "train",
        lists: Path | None = None,
        x: XFolders = (),
    ) -> None:
        self.root, self.labelled = Path(root), labelled
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is missing; {self._fix('root')}.")
        if split not in SPLITS:
            raise ValueError(unknown("split", split, SPLITS))
        if split == "test":
            self._require_test(lists)
        self.ids = self.select(split, lists)
        if not self.ids:
            where = self.root / (self.left_files or "")
            raise FileNotFoundError(f"No image fits {where}; {self._fix('image')}.")
        self.require("image", self.image_path)
        if labelled:
            self.require_labels()
        self.x_sources = open_x(x, self.root, self.image_path, self.own_x())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Train ids of `not_scored`."""
        return tuple(map(self.classes.index, self.not_scored))

    @property
    def splits(self) -> tuple[Split, ...]:
        """Splits that the set has without `lists`; what has a test part on disk says so here."""
        return TRAIN_AND_VAL

    @property
    def x(self) -> tuple[XSpec, ...]:
        """What a frame's X is made of."""
        return tuple(source.spec for source in self.x_sources)

    @property
    def x_spans(self) -> tuple[Span | None, ...]:
        """Where the encoding of each X begins and ends, by `range`; empty where none is given."""
        files = [getattr(source, "files", None) for source in self.x_sources]
        spans = tuple(getattr(description, "range", None) for description in files)
        return spans if any(spans) else ()

    @property
    def x_kind(self) -> str | None:
        """Kinds of X joined by `+`, None where the set has none."""
        return "+".join(spec.kind for spec in self.x) or None

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the folder has this set's layout; for `lix data check`."""
        return False

    def select(self, split: Split, lists: Path | None) -> list[str]:
        """Ids of the frames to open."""
        if lists is not None:
            return read_list(Path(lists) / f"{split}.txt", self.frames(None), self.find_frame)
        return list(self.frames(split if self.labelled else None))

    @abstractmethod
    def frames(self, split: Split | None) -> Collection[str]:
        """Ids of a split's frames that have an image; of all splits where it is None."""

    @abstractmethod
    def image_path(self, frame: str) -> Path:
        """The RGB image of a frame."""

    @abstractmethod
    def label_path(self, frame: str) -> Path:
        """The file that holds a frame's labels."""

    def find_frame(self, text: str) -> str | None:
        """The frame that a line of another tool's list means, see `ImagePaths.frame`."""
        return self._image_paths.frame(text)

    @cached_property
    def _image_paths(self) -> ImagePaths:
        images = {self.image_path(frame): frame for frame in self.frames(None)}
        return ImagePaths(self.root, images)

    def own_x(self) -> tuple[XSource, ...]:
        """The X that the set itself brings."""
        return ()

    def read_target(self, frame: str) -> NDArray[np.uint8]:
        """(H, W) train ids of a frame, 255 = ignored.

        Raises:
            DataError: a file that is missing, damaged, or holds what is not a class.
        """
        return self.labels.read(self.label_path(frame))

    def label_form(self, frame: str) -> Form | None:
        """How a frame's labels are read (`lix.data.labels.Form`), where the set may hold several.

        Raises:
            DataError: as `read_target`.
        """
        return None

    def fingerprint(self) -> object:
        """What labels depend on next to their files and the options; it names the cache."""
        return self.classes

    def sequence(self, name: str) -> str:
        """Name of the drive of a frame, which a split keeps together."""
        return sequence(name)

    def instant(self, name: str) -> str:
        """What frames of one instant have in common; a single drive is split by it."""
        return name

    def conditions(self, frame: str) -> Mapping[str, str]:
        """What scores are also given by, as in `{"weather": "fog"}`; empty where not known."""
        return {}

    def intrinsics(self, frame: str) -> Tensor | None:
        """(3, 3) camera matrix of a frame's image in pixels, None where it is not known."""
        return None

    def read(self, frame: str, *, with_x: bool) -> Sample:
        """Read one frame; the files of X are opened only where `with_x`.

        Raises:
            DataError: a file that is missing, damaged, or holds what the format forbids; the
                message names it.
            ValueError: X is asked for and the set has none.
        """
        image = read_rgb(self.image_path(frame))
        if self.labelled:
            target = torch.from_numpy(self.read_target(frame)).long()
        else:
            target = torch.full(image.shape[-2:], IGNORE_INDEX)
        sample = Sample(image, tv_tensors.Mask(target), frame, intrinsics=self.intrinsics(frame))
        if with_x:
            self.require_x()
            sample.x = tuple(source.read(frame) for source in self.x_sources)
            sample.spans = self.x_spans
        return check_sizes(sample, self.image_path(frame))

    def part(self, names: Sequence[str], split: Split | None, val_share: float) -> Sequence[str]:
        """Names of a split that follows from the hashes of the sequences; all if it is None."""
        if split is None or not names:
            return names
        return split_names(names, val_share, sequence=self.sequence)[TRAIN_AND_VAL.index(split)]

    def require(self, what: Literal["image", "label"], path: Callable[[str], Path]) -> None:
        """Check that a file of every frame exists.

        Raises:
            ValueError: some are missing.
        """
        require_files([path(frame) for frame in self.ids], what, self._fix(what))

    def require_labels(self) -> None:
        """Check that the labels of every frame exist."""
        self.require("label", self.label_path)

    def require_x(self) -> None:
        """Check, the first time, that X of every frame exists.

        Raises:
            ValueError: there is none, or files are missing.
        """
        if self._x_is_complete:
            return
        if not self.x_sources:
            raise ValueError(
                "This data set has no X, and a teacher needs it; make depth with `lix data depth` "
                "and name its folder under data.options.x."
            )
        for source in self.x_sources:
            source.require(self.ids)
        self._x_is_complete = True

    def _require_test(self, lists: Path | None) -> None:
        has_one = "test" in self.splits if lists is None else (Path(lists) / "test.txt").is_file()
        if not has_one:
            raise no_test_split(str(lists or self.root), self._fix("test"))

    def _fix(self, part: Literal["root", "image", "label", "test"]) -> str:
        fix: str = getattr(self.fixes, part)
        return fix.format(root=self.root)
