"""What a sample is, and the contract of every data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from lix.core.errors import DataError
from lix.data.modalities import X, XSpec
from lix.data.readers import read_rgb
from lix.data.splits import sequence
from lix.data.x_files import XSource


@dataclass
class Sample:
    """One frame in memory."""

    image: tv_tensors.Image
    """(3, H, W) RGB, uint8, or float32 in [0, 1] once its colours were changed."""
    target: tv_tensors.Mask
    """(H, W) int64 train ids, 255 = ignored."""
    id: str
    x: tuple[X, ...] = ()
    """One or several of the kinds of `lix.data.modalities`, each (C, H, W), NaN = invalid; empty
    for a student."""
    intrinsics: Tensor | None = None
    """(3, 3) camera matrix in pixels."""


class SegDataset(ABC):
    """A data set on disk. Subclasses fill the attributes and say where the parts of a frame are.

    To open it looks for the images and labels of every frame, so that a missing file stops a run
    before it starts. X is first looked for, and then for all frames, by `read(…, with_x=True)`:
    a student needs no X on its disk.
    """

    classes: tuple[str, ...]
    """Names by train id."""
    palette: tuple[tuple[int, int, int], ...]
    """RGB by train id, for pictures."""
    ids: list[str]
    x_sources: tuple[XSource, ...] = ()
    """Where X comes from; empty where the set has none."""
    left_files: ClassVar[str | None] = None
    """Glob pattern of the RGB images below the root, for `lix data depth`."""
    right_files: ClassVar[str | None] = None
    """That of the right images of stereo pairs, where there are some."""
    every_frame: ClassVar[Mapping[str, Any]] = {}
    """Options that open all frames on disk, where the set's own splits leave some out."""
    _x_is_complete = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def x(self) -> tuple[XSpec, ...]:
        """What a frame's X is made of."""
        return tuple(source.spec for source in self.x_sources)

    @property
    def x_kind(self) -> str | None:
        """Kinds of X joined by `+`, None where the set has none."""
        return "+".join(spec.kind for spec in self.x) or None

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the folder has this set's layout; for `lix data check`."""
        return False

    @abstractmethod
    def image_path(self, frame: str) -> Path:
        """The RGB image of a frame."""

    @abstractmethod
    def label_path(self, frame: str) -> Path:
        """The file that holds a frame's labels."""

    @abstractmethod
    def read_target(self, frame: str) -> NDArray[np.uint8]:
        """(H, W) train ids of a frame, 255 = ignored.

        Raises:
            DataError: a file that is missing, damaged, or holds what is no class.
        """

    def fingerprint(self) -> object:
        """What the labels depend on beside their files and the options; a cache is named by it."""
        return self.classes

    def sequence(self, name: str) -> str:
        """What names the drive of a frame, so that a split keeps it together."""
        return sequence(name)

    def moment(self, name: str) -> str:
        """What frames of one instant have in common, to keep these together in a single drive."""
        return name

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
        sample = Sample(
            image=read_rgb(self.image_path(frame)),
            target=tv_tensors.Mask(torch.from_numpy(self.read_target(frame)).long()),
            id=frame,
            intrinsics=self.intrinsics(frame),
        )
        if with_x:
            self.require_x()
            sample.x = tuple(source.read(frame) for source in self.x_sources)
        return check_sizes(sample, self.image_path(frame))

    def require_x(self) -> None:
        """Look, the first time, for X of every frame.

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


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> Tensor:
    """(3, 3) intrinsics from focal lengths and principal point in pixels."""
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def check_sizes(sample: Sample, path: Path) -> Sample:
    """Return the sample if all its parts have one height and width.

    Raises:
        DataError: they differ; the message names the frame.
    """
    expected = tuple(sample.image.shape[-2:])
    for part, values in [("label", sample.target), *(("X", x) for x in sample.x)]:
        size = tuple(values.shape[-2:])
        if size != expected:
            raise DataError(
                f"{path}: the {part} is {size[0]}x{size[1]} but the image is "
                f"{expected[0]}x{expected[1]}; make them the same size.",
                path,
            )
    return sample
