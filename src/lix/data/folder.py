"""The user's own images, described by one short YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torchvision import tv_tensors

from lix.data.sample import IGNORE, Sample, SegDataset, check_sizes, read_array, read_rgb
from lix.data.x import as_kind

Colour = tuple[
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Files(_Section):
    """Where the files of one split are: glob patterns relative to `root`, paired by file name."""

    image: str
    label: str
    x: str | None = None


class XFiles(_Section):
    """How to read X: value on disk * scale = metres, pixels, or 1 for the other kinds."""

    kind: Literal["depth", "disparity", "inverse_depth", "channels"]
    scale: float = 1.0
    invalid: Sequence[float] = (0.0,)
    channels: int = 1


class Description(_Section):
    """The YAML file."""

    root: Path = Path()
    """Folder of the images, relative to the YAML file."""
    classes: Sequence[str]
    """Names by label value: the first is value 0."""
    palette: Sequence[Colour] = ()
    ignore: Sequence[int] = ()
    """Label values that are no class; 255 always is."""
    x: XFiles | None = None
    intrinsics: tuple[float, float, float, float] | None = None
    """fx, fy, cx, cy in pixels."""
    train: Files
    val: Files

    @model_validator(mode="after")
    def _check(self) -> Description:
        if len(self.classes) < 2:
            raise ValueError("name at least two classes")
        if self.palette and len(self.palette) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes but {len(self.palette)} colours")
        return self


class Folder(SegDataset):
    """RGB, labels and, for a teacher, X in any folders; `docs/your-data.md` shows the YAML.

    Args:
        root: the YAML file, or a folder that holds it as `lix.yaml`.
        split: `train` or `val`.
        images: folder of the images, in place of the YAML's `root`.

    Raises:
        FileNotFoundError: no YAML file there.
        ValueError: the YAML is wrong, or images, labels and X do not pair up.
    """

    def __init__(
        self,
        root: Path,
        *,
        split: Literal["train", "val"] = "train",
        images: Path | None = None,
    ) -> None:
        path = root / "lix.yaml" if Path(root).is_dir() else Path(root)
        self.description = _describe(path)
        self.base = Path(images) if images else path.parent / self.description.root
        self.classes = tuple(self.description.classes)
        self.palette = tuple(self.description.palette) or _colours(len(self.classes))
        x = self.description.x
        self.x_kind, self.x_channels = (x.kind, x.channels) if x else (None, 0)
        files: Files = getattr(self.description, split)
        self._images = self._glob(files.image)
        self._labels = self._paired(files.label)
        self._x = self._paired(files.x) if files.x and x else {}
        self.ids = sorted(self._images)

    def read(self, index: int, *, with_x: bool) -> Sample:
        name = self.ids[index]
        sample = Sample(
            image=read_rgb(self._images[name]),
            target=tv_tensors.Mask(torch.from_numpy(self._target(self._labels[name])).long()),
            id=name,
            intrinsics=self._camera(),
        )
        if with_x:
            sample.x = self._read_x(name)
        return check_sizes(sample, self._images[name])

    def _glob(self, pattern: str) -> dict[str, Path]:
        found = {path.stem: path for path in sorted(self.base.glob(pattern))}
        if not found:
            raise ValueError(f"No file fits {self.base / pattern}; correct the pattern or `root`.")
        return found

    def _paired(self, pattern: str) -> dict[str, Path]:
        found = self._glob(pattern)
        lonely = sorted(self._images.keys() - found.keys())
        if lonely:
            raise ValueError(
                f"{len(lonely)} of {len(self._images)} images have no partner in "
                f"{self.base / pattern}, the first are {', '.join(lonely[:3])}; "
                "partners must have the image's file name."
            )
        return found

    def _target(self, path: Path) -> NDArray[np.uint8]:
        values = read_array(path)
        if values.ndim != 2:
            raise ValueError(f"{path} has colours; labels must be one channel of class indices.")
        ignored = np.isin(values, [*self.description.ignore, IGNORE])
        wrong = (values >= len(self.classes)) & ~ignored
        if wrong.any():
            raise ValueError(
                f"{path} has the label {values[wrong].max()}, but the YAML names "
                f"{len(self.classes)} classes (0 to {len(self.classes) - 1}); add the class or "
                "list the value under `ignore`."
            )
        return np.where(ignored, IGNORE, values).astype(np.uint8)

    def _read_x(self, name: str) -> tv_tensors.Mask:
        x = self.description.x
        if x is None or not self._x:
            raise ValueError("The YAML describes no X; a teacher needs `x:` and its files.")
        stored = np.atleast_3d(read_array(self._x[name])).astype(np.float32)
        if stored.shape[2] != x.channels:
            raise ValueError(
                f"{self._x[name]} has {stored.shape[2]} channels, the YAML says {x.channels}."
            )
        values = np.where(np.isin(stored, x.invalid), np.nan, stored * np.float32(x.scale))
        return as_kind(x.kind, torch.from_numpy(values.transpose(2, 0, 1).astype(np.float32)))

    def _camera(self) -> torch.Tensor | None:
        if self.description.intrinsics is None:
            return None
        fx, fy, cx, cy = self.description.intrinsics
        return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _describe(path: Path) -> Description:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; describe your data in it (docs/your-data.md shows how)."
        )
    try:
        return Description.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ValueError(f"{path}: {where}: {first['msg']}.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no valid YAML: {error}.") from None


def _colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours that differ in hue, saturation and brightness."""
    hues = (np.arange(count) * 0.618034) % 1.0
    waves = np.stack([hues, hues + 1 / 3, hues + 2 / 3], axis=1)
    values = np.clip(np.abs((waves % 1.0) * 6 - 3) - 1, 0, 1)
    bright = np.where(np.arange(count) % 2, 255, 160)[:, None]
    return tuple((int(r), int(g), int(b)) for r, g, b in (values * bright).round())
