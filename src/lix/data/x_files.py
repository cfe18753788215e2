"""X on disk: what the numbers of a file mean, and which file belongs to a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lix.core.errors import DataError
from lix.data.modalities import KINDS, X, XSpec, as_kind
from lix.data.options import Number, Span, XFolders, as_tuple
from lix.data.patterns import Partners
from lix.data.readers import read_array, require_files
from lix.data.yaml_files import load_yaml

UNITS = {"cm": 100, "mm": 1000}
"""Number of units in a metre."""
SUFFIXES = (".png", ".npy", ".npz", ".pfm", ".tiff", ".tif", ".pgm")


class XFiles(BaseModel):
    """How to read X: (value on disk * scale + offset) in `unit`, 1 for kinds without a unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["depth", "disparity", "inverse_depth", "normal", "channels"]
    unit: Literal["m", "cm", "mm", "px"] | None = None
    """Unit of depth (`m`, `cm` or `mm`) or disparity (`px`); default: metres and pixels."""
    scale: Number = 1.0
    """A number or a fraction such as `1/256`."""
    offset: Number = 0.0
    invalid: Annotated[tuple[float, ...], BeforeValidator(as_tuple)] | None = None
    """Values on disk that mean "not measured"; default: 0 in depth and disparity."""
    channels: int = Field(default=1, ge=1)
    """Number of channels of the kind `channels`; the others have their own number."""
    range: Span | None = None
    """Where the teacher's encoding begins and ends: metres of depth, or shares of the image's
    width of disparity; default: 1 to 200 m, 0.001 to 0.2. `lix data check` says what fits."""
    array: str | None = None
    """Name of the array in an `.npz` of several; default: the only one, or that named as the
    kind."""
    dtype: str | None = None
    """What a file must hold, as in `uint16`: tools that read 8 bits lose most of it unnoticed."""

    @model_validator(mode="after")
    def _check(self) -> XFiles:
        fitting = {"depth": ("m", "cm", "mm"), "disparity": ("px",)}.get(self.kind, ())
        if self.unit is not None and self.unit not in fitting:
            raise ValueError(
                f"{self.kind} is not measured in {self.unit}; write "
                f"{', '.join(fitting) or 'no unit'}"
            )
        if self.range is not None and self.kind not in ("depth", "disparity"):
            raise ValueError(f"{self.kind} has no range; leave it out")
        if self.range is not None and not 0 < self.range[0] < self.range[1] < math.inf:
            raise ValueError(
                "range is two positive numbers, the smaller first, as in `range: [0.4, 2]`"
            )
        return self

    @property
    def spec(self) -> XSpec:
        """Kind and number of channels."""
        return XSpec(self.kind, KINDS[self.kind].channels or self.channels)

    def read(self, path: Path) -> X:
        """X of one file: an image, `.npy`, `.npz` or PFM of (H, W), (H, W, C) or (C, H, W).

        Raises:
            DataError: missing, damaged, or not the kind's number of channels.
        """
        stored = np.atleast_3d(read_array(path, array=self.array, likely=self.kind))
        if self.dtype not in (None, str(stored.dtype)):
            raise DataError(
                f"{path} holds {stored.dtype}, not {self.dtype}; the tool that saved it "
                "changes numbers; write the file anew with another.",
                path,
                kind="x type",
            )
        channels = self.spec.channels
        if stored.ndim == 3 and stored.shape[2] != channels == stored.shape[0]:
            stored = stored.transpose(1, 2, 0)  # an array of (C, H, W)
        if stored.ndim != 3 or stored.shape[2] != channels or not self._is_number(stored):
            fix = "correct the kind or its channels"
            if channels == 1 and stored.ndim == 3 and stored.shape[2] in (3, 4):
                fix += ", or, if it is a coloured picture of the numbers, take the numbers' file"
            raise DataError(
                f"{path} holds {stored.dtype} of shape {stored.shape}, but {self.kind} means "
                f"{channels} channel(s) of numbers; {fix}.",
                path,
                kind="x format",
            )
        is_code = stored.dtype in (np.uint8, np.uint16)
        values = _by_code(self).take(stored) if is_code else self.values(stored)
        channels_first = np.ascontiguousarray(values.transpose(2, 0, 1))
        return as_kind(self.kind, torch.from_numpy(channels_first))

    def _is_number(self, stored: NDArray[Any]) -> bool:
        """Whether an array holds numbers; truth values are a mask, which only channels may be."""
        return stored.dtype.kind in ("biuf" if self.kind == "channels" else "iuf")

    def values(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """What the numbers of a file mean, NaN = invalid; a new array of float32."""
        values = stored.astype(np.float32)
        values *= np.float32(self.scale)
        values += np.float32(self.offset)
        values /= np.float32(UNITS.get(self.unit or "m", 1))
        for invalid in self._invalid_values:
            values[stored == invalid] = np.nan
        return values

    @property
    def _invalid_values(self) -> Sequence[float]:
        if self.invalid is not None:
            return self.invalid
        return (0.0,) if self.kind in ("depth", "disparity") else ()


@lru_cache
def _by_code(files: XFiles) -> NDArray[np.float32]:
    """What each 16-bit number means: quicker than to compute it for each pixel."""
    return files.values(np.arange(1 << 16))


class XSource(Protocol):
    """One X of every frame of a data set."""

    @property
    def spec(self) -> XSpec:
        """Kind and number of channels."""

    def require(self, frames: Iterable[str]) -> None:
        """Raise a ValueError that names the first missing files, if any are."""

    def path(self, frame: str) -> Path:
        """File of a frame."""

    def read(self, frame: str) -> X:
        """X of a frame."""


class FileSource:
    """X in files of its own.

    Args:
        files: what their numbers mean.
        path: frame → file.
        fix: what to do where files are missing.
    """

    def __init__(self, files: XFiles, path: Callable[[str], Path], fix: str) -> None:
        self.files, self.path, self.fix = files, path, fix

    @property
    def spec(self) -> XSpec:
        return self.files.spec

    def require(self, frames: Iterable[str]) -> None:
        require_files([self.path(frame) for frame in frames], self.spec.kind, self.fix)

    def read(self, frame: str) -> X:
        return self.files.read(self.path(frame))


class FolderSource:
    """X in a folder that mirrors that of the images, described by its own `x.yaml`.

    `lix data depth` writes such folders; by hand `x.yaml` is a line such as
    `{kind: disparity, scale: 1/256}`.

    Args:
        folder: holds `x.yaml` and, for an image `a/b.jpg` below the data set's root, `a/b.png`
            or another of `SUFFIXES`.
        root: the data set's folder.
        image: frame → path of its image.

    Nothing is opened before X is asked for: a student may name folders that it does not have.
    """

    def __init__(self, folder: Path, root: Path, image: Callable[[str], Path]) -> None:
        self.folder, self.root, self.image = folder, root, image
        self._present: dict[Path, dict[str, str]] = {}

    @cached_property
    def files(self) -> XFiles:
        """What its `x.yaml` says."""
        return read_description(self.folder / "x.yaml")

    @property
    def spec(self) -> XSpec:
        return self.files.spec

    def require(self, frames: Iterable[str]) -> None:
        fix = "make them with `lix data depth`"
        require_files([self.path(frame) for frame in frames], self.spec.kind, fix)

    def read(self, frame: str) -> X:
        return self.files.read(self.path(frame))

    def path(self, frame: str) -> Path:
        expected = self.folder / self.image(frame).relative_to(self.root)
        folder = expected.parent
        if folder not in self._present:
            names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            self._present[folder] = {_lower_suffix(name): name for name in names}
        present = self._present[folder]
        for suffix in SUFFIXES:
            name = present.get(expected.with_suffix(suffix).name)
            if name is not None:
                return folder / name
        return expected.with_suffix(SUFFIXES[0])


class PatternSource:
    """X in files that a pattern of the YAML names."""

    def __init__(self, files: XFiles, partners: Partners) -> None:
        self.files, self.spec = files, files.spec
        self.path, self.require = partners.path, partners.require

    def read(self, frame: str) -> X:
        return self.files.read(self.path(frame))


def _lower_suffix(name: str) -> str:
    """The name of a file with its suffix in lower case."""
    path = Path(name)
    return path.with_suffix(path.suffix.lower()).name if path.suffix else name


def open_x(
    folders: XFolders,
    root: Path,
    image: Callable[[str], Path],
    own: tuple[XSource, ...] = (),
) -> tuple[XSource, ...]:
    """The sources of X that a user names, or the data set's own where none is named.

    Args:
        folders: folders of X, each with its `x.yaml`; `own` stands for the data set's own X.
        root: what the images' paths are relative to.
        image: frame → path of its image.
        own: the X that the data set itself brings.

    Raises:
        ValueError: `own` where there is none.
    """
    sources: list[XSource] = []
    for folder in folders or ["own"]:
        if folder != "own":
            sources.append(FolderSource(Path(folder), root, image))
        elif own or not folders:
            sources += own
        else:
            raise ValueError("This data set has no X of its own; leave `own` out of x.")
    return tuple(sources)


def read_description(path: Path) -> XFiles:
    """What the numbers in a folder of X mean.

    Raises:
        ValueError: the file is missing or wrong.
    """
    if not path.parent.is_dir():
        raise ValueError(
            f"The folder of X {path.parent} is missing; correct data.options.x, or make it with "
            "`lix data depth`."
        )
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; say in it what the files hold, as in `kind: disparity` and "
            "`scale: 1/256` (docs/data.md)."
        )
    try:
        return XFiles.model_validate(load_yaml(path, truth=False) or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{path}: {where}: {message}; correct the entry.") from None
