"""The user's own images, described by one short YAML file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from torchvision import tv_tensors

from lix.catalog import unknown
from lix.data.sample import (
    IGNORE,
    ColourLabels,
    Sample,
    SegDataset,
    camera_matrix,
    check_sizes,
    read_array,
    read_rgb,
)
from lix.data.x import KINDS, as_kind

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


def _relative(pattern: str) -> str:
    if not pattern or pattern.startswith("/"):
        raise ValueError("a pattern is a path relative to `root`")
    return pattern


Pattern = Annotated[str, AfterValidator(_relative)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Files(_Section):
    """Where the files of one split are: glob patterns relative to `root`.

    Partners are the files for which `*` and `**` stand for the same text.
    """

    image: Pattern
    label: Pattern
    x: Pattern | None = None


class XFiles(_Section):
    """How to read X: value on disk * scale + offset = metres, pixels, or 1 for the other kinds."""

    kind: Literal["depth", "disparity", "inverse_depth", "normal", "channels"]
    scale: float = 1.0
    offset: float = 0.0
    invalid: Sequence[float] | None = None
    """Values on disk that mean "not measured"; default: 0 in depth and disparity."""
    channels: int = Field(default=1, ge=1)
    """Of the kind `channels`; the others have their own number."""

    @property
    def channel_count(self) -> int:
        return KINDS[self.kind].channels or self.channels

    @property
    def invalid_values(self) -> Sequence[float]:
        if self.invalid is not None:
            return self.invalid
        return (0.0,) if self.kind in ("depth", "disparity") else ()


class Description(_Section):
    """The YAML file."""

    root: Path = Path()
    """Folder of the images, relative to the YAML file."""
    classes: Annotated[Sequence[str], Field(min_length=2, max_length=254)]
    """Names by label value: the first is value 0."""
    palette: Sequence[Colour] = ()
    """RGB by class, for pictures, and for labels that are stored in these colours."""
    ignore: Sequence[int | Colour] = ()
    """Label values, or colours, that are no class; 255 always is none."""
    x: XFiles | None = None
    intrinsics: tuple[float, float, float, float] | None = None
    """fx, fy, cx, cy in pixels."""
    train: Files
    val: Files

    @model_validator(mode="after")
    def _check(self) -> Description:
        if self.palette and len(self.palette) != len(self.classes):
            raise ValueError(
                f"there are {len(self.classes)} classes but {len(self.palette)} colours"
            )
        if not self.x and (self.train.x or self.val.x):
            raise ValueError("files of X are named, but not what they hold; describe it under `x`")
        return self


SECTIONS: dict[str, type[_Section]] = {"train": Files, "val": Files, "x": XFiles}


class Folder(SegDataset):
    """RGB, labels and, for a teacher, X in any folders, described by a YAML file.

    ```yaml
    classes: [road, car, other]
    ignore: [255]
    x: {kind: depth, scale: 0.001}       # millimetres on disk; 0 = not measured
    train: {image: train/*.jpg, label: train/*_label.png, x: train/*_depth.png}
    val: {image: val/*.jpg, label: val/*_label.png, x: val/*_depth.png}
    ```

    Labels hold one class index a pixel, or the colours of `palette`; `docs/your-data.md` says
    more.

    Args:
        root: the YAML file, or a folder that holds it as `lix.yaml`.
        split: `train` or `val`.
        images: folder of the images, in place of the YAML's `root`.

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
    ) -> None:
        path = Path(root) / "lix.yaml" if Path(root).is_dir() else Path(root)
        self.description = _describe(path)
        if split not in ("train", "val"):
            raise ValueError(unknown("split", split, ["train", "val"]))
        self.base = Path(images or path.parent / self.description.root.expanduser())
        self.classes = tuple(self.description.classes)
        self.palette = tuple(self.description.palette) or _colours(len(self.classes))
        self._files: Files = getattr(self.description, split)
        x = self.description.x if self._files.x else None
        self.x_kind, self.x_channels = (x.kind, x.channel_count) if x else (None, 0)
        self._images = self._matches(self._files.image)
        self._labels = self._partners(self._files.label)
        self.ids = sorted(self._images)

    def read(self, index: int, *, with_x: bool) -> Sample:
        name = self.ids[index]
        sample = Sample(
            image=read_rgb(self._images[name]),
            target=tv_tensors.Mask(torch.from_numpy(self._target(self._labels[name])).long()),
            id=name,
        )
        if self.description.intrinsics is not None:
            sample.intrinsics = camera_matrix(*self.description.intrinsics)
        if with_x:
            sample.x = self._read_x(name)
        return check_sizes(sample, self._images[name])

    @cached_property
    def _x(self) -> dict[str, Path]:
        """Files of X; looked for when a teacher first needs one."""
        if self._files.x is None:
            raise ValueError("The YAML names no files of X for this split; a teacher needs them.")
        return self._partners(self._files.x)

    @cached_property
    def _colour_labels(self) -> ColourLabels:
        colours = {c: IGNORE for c in self.description.ignore if not isinstance(c, int)}
        colours |= {c: train_id for train_id, c in enumerate(self.description.palette)}
        return ColourLabels(colours, "add it to `palette` or `ignore` in the YAML")

    def _matches(self, pattern: str) -> dict[str, Path]:
        """Files by what the wildcards stand for."""
        wildcards = _wildcards(pattern)
        found: dict[str, Path] = {}
        for path in sorted(p for p in self.base.glob(pattern) if p.is_file()):
            match = wildcards.fullmatch(path.relative_to(self.base).with_suffix("").as_posix())
            name = "/".join(filter(None, match.groups())) if match else path.stem
            if name in found:
                raise ValueError(
                    f"{found[name]} and {path} both fit {pattern} as {name!r}; name the file type."
                )
            found[name] = path
        if not found:
            raise ValueError(f"No file fits {self.base / pattern}; correct the pattern or `root`.")
        return found

    def _partners(self, pattern: str) -> dict[str, Path]:
        found = self._matches(pattern)
        lonely = sorted(self._images.keys() - found.keys())
        if lonely:
            raise ValueError(
                f"{len(lonely)} of {len(self._images)} images have no partner in "
                f"{self.base / pattern}, first {', '.join(lonely[:3])}; the wildcards of image and "
                "partner must stand for the same text."
            )
        return found

    def _target(self, path: Path) -> NDArray[np.uint8]:
        values = read_array(path)
        if values.ndim == 3 and self.description.palette:
            return self._colour_labels.read(path)
        if values.ndim != 2 or values.dtype.kind not in "biu":
            raise ValueError(
                f"{path} holds no class indices; store one channel of integers, or colours and "
                "give the `palette`."
            )
        no_class = [v for v in self.description.ignore if isinstance(v, int)]
        ignored = np.isin(values, [*no_class, IGNORE])
        wrong = ((values < 0) | (values >= len(self.classes))) & ~ignored
        if wrong.any():
            raise ValueError(
                f"{path} has the label {values[wrong].max()}, but the YAML names "
                f"{len(self.classes)} classes (0 to {len(self.classes) - 1}); add the class or "
                "list the value under `ignore`."
            )
        return np.where(ignored, IGNORE, values).astype(np.uint8)

    def _read_x(self, name: str) -> tv_tensors.Mask:
        path, x = self._x[name], self.description.x
        assert x is not None  # the description was checked: files of X are named
        stored = np.atleast_3d(read_array(path))
        if stored.ndim == 3 and stored.shape[2] != x.channel_count == stored.shape[0]:
            stored = stored.transpose(1, 2, 0)  # an array of (C, H, W)
        if (
            stored.ndim != 3
            or stored.shape[2] != x.channel_count
            or stored.dtype.kind not in "biuf"
        ):
            raise ValueError(
                f"{path} holds {stored.dtype} of shape {stored.shape}, but {x.kind} in the YAML "
                f"means {x.channel_count} channel(s) of numbers."
            )
        values = stored.astype(np.float32) * np.float32(x.scale) + np.float32(x.offset)
        values[np.isin(stored, x.invalid_values)] = np.nan
        return as_kind(x.kind, torch.from_numpy(values.transpose(2, 0, 1).copy()))


def _wildcards(pattern: str) -> re.Pattern[str]:
    """A glob pattern without its suffix as a regular expression whose groups are the wildcards."""
    regular = {"**/": "(?:(.*)/)?", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", str(PurePosixPath(pattern).with_suffix("")))
    translated = (
        regular.get(t, f"({t.replace('[!', '[^')})" if t.startswith("[") else re.escape(t))
        for t in tokens
    )
    return re.compile("".join(translated))


def _describe(path: Path) -> Description:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; describe your data in it (docs/your-data.md shows how)."
        )
    try:
        return Description.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except ValidationError as error:
        raise ValueError(f"{path}: {_explain(error)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no valid YAML: {' '.join(str(error).split())}.") from None


def _explain(error: ValidationError) -> str:
    """The first complaint of pydantic as one sentence with the fix."""
    first = error.errors()[0]
    *sections, key = map(str, first["loc"]) if first["loc"] else ("file",)
    if first["type"] == "extra_forbidden":
        model = SECTIONS[sections[0]] if sections else Description
        return unknown(" ".join(["entry", *sections]), key, list(model.model_fields))
    where = ".".join([*sections, key])
    if first["type"] == "missing":
        return (
            f"the entry `{where}` is missing; docs/your-data.md shows what belongs into the file."
        )
    got: Any = "" if key == "file" else f", got {first['input']!r}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{got}."


def _colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours that differ in hue, saturation and brightness."""
    hues = (np.arange(count) * 0.618034) % 1.0
    waves = np.stack([hues, hues + 1 / 3, hues + 2 / 3], axis=1)
    values = np.clip(np.abs((waves % 1.0) * 6 - 3) - 1, 0, 1)
    bright = np.where(np.arange(count) % 2, 255, 160)[:, None]
    return tuple((int(r), int(g), int(b)) for r, g, b in (values * bright).round())
