"""Decoded, resized samples in memory maps: read from pictures once, then at the speed of memory."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from lix.core.types import IGNORE_INDEX
from lix.data.archives import stamp
from lix.data.dataset import SegDataset
from lix.data.modalities import KINDS
from lix.data.sample import Sample
from lix.data.transforms import resize, scaling

READING = 2
"""Number of the rules by which files are read; another one makes new caches."""


class Cache:
    """A data set's samples at one size; a sample is decoded and stored when it is first read.

    The files are named by a hash of what they hold, with size and times of every file read, so
    that a change of the data, their description, the size or the options makes new ones; old ones
    are for the user to remove. Processes may share them.

    Args:
        dataset: where the samples come from.
        folder: folder of the files, made where it is missing; 384 x 1248 takes 1.9 MB a frame,
            and as much again for depth.
        size: (H, W) of the samples.
        options: options of the data set, which its labels may depend on.

    Raises:
        OSError: the folder cannot be written, or the disk has no room for all frames.
    """

    def __init__(
        self, dataset: SegDataset, folder: Path, size: tuple[int, int], options: object = None
    ) -> None:
        self.dataset, self.folder, self.size = dataset, Path(folder), size
        self.options = options

    def __len__(self) -> int:
        return len(self.dataset)

    def __getstate__(self) -> dict[str, Any]:
        """Without the open maps: every process opens its own."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_rgb", "_x")}

    @property
    def ids(self) -> list[str]:
        """Ids of the frames, in the order of the data set."""
        return self.dataset.ids

    @property
    def labelled(self) -> bool:
        """Whether the frames have labels."""
        return self.dataset.labelled

    def read(self, frame: str, *, with_x: bool) -> Sample:
        """What `SegDataset.read` gives, resized; the files of X are opened only where `with_x`."""
        maps, row = (self._rgb, self._x) if with_x else (self._rgb,), self._rows[frame]
        if not all(m["checksum"][row] == _checksum(m, row) for m in maps):
            self._store(frame, with_x=with_x)
        if self.dataset.labelled:
            target = torch.from_numpy(np.array(self._rgb["target"][row])).long()
        else:
            target = torch.full(self.size, IGNORE_INDEX)
        parts = [np.array(self._x[f"x{i}"][row]) for i in range(len(self.dataset.x) * with_x)]
        return Sample(
            image=tv_tensors.Image(torch.from_numpy(np.array(self._rgb["image"][row]))),
            target=tv_tensors.Mask(target),
            id=frame,
            x=tuple(
                KINDS[spec.kind](torch.from_numpy(part))
                for spec, part in zip(self.dataset.x if with_x else (), parts, strict=True)
            ),
            intrinsics=self._intrinsics(frame),
            spans=self.dataset.x_spans if with_x else (),
        )

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of each frame in the memory maps."""
        return {frame: row for row, frame in enumerate(self.ids)}

    def _intrinsics(self, frame: str) -> Tensor | None:
        """Read anew each time: they may come from a file or be corrected in a description."""
        k = self.dataset.intrinsics(frame)
        if k is None:
            return None
        height, width = map(int, self._rgb["from"][self._rows[frame]])
        return scaling((height, width), self.size) @ k

    def _store(self, frame: str, *, with_x: bool) -> None:
        row, (height, width) = self._rows[frame], self.size
        sample = self.dataset.read(frame, with_x=with_x)
        self._rgb["from"][row] = sample.image.shape[-2:]
        sample = resize(sample, (height, width))
        self._rgb["image"][row] = sample.image.numpy()
        if self.dataset.labelled:
            self._rgb["target"][row] = sample.target.byte().numpy()
        self._rgb["checksum"][row] = _checksum(self._rgb, row)
        if with_x:
            for i, x in enumerate(sample.x):
                self._x[f"x{i}"][row] = x.numpy()
            self._x["checksum"][row] = _checksum(self._x, row)

    @cached_property
    def _rgb(self) -> dict[str, NDArray[Any]]:
        data = self.dataset
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "image": ((3, *self.size), np.uint8),
            "target": (self.size, np.uint8),
            "from": ((2,), np.int32),
            "checksum": ((), np.uint32),
        }
        paths: list[Callable[[str], Path]] = [data.image_path, data.label_path]
        if not data.labelled:
            del shapes["target"], paths[1]
        files = self._stamp(paths)
        return self._open("rgb", [files, data.fingerprint(), self.options], shapes)

    @cached_property
    def _x(self) -> dict[str, NDArray[Any]]:
        data = self.dataset
        data.require_x()
        files = self._stamp([source.path for source in data.x_sources])
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {"checksum": ((), np.uint32)}
        for i, (_, channels) in enumerate(data.x):
            shapes[f"x{i}"] = ((channels, *self.size), np.float32)
        meaning = [getattr(source, "files", source.spec) for source in data.x_sources]
        return self._open("x", [files, meaning, self.options], shapes)

    def _stamp(self, paths: list[Callable[[str], Path]]) -> list[tuple[str, int, int, int]]:
        """Path, bytes and times of every file that is read.

        The second time is that of any change, which tools that copy the first one cannot set.
        """
        stamps = []
        for path in dict.fromkeys(path(frame) for path in paths for frame in self.ids):
            try:
                size_and_times = stamp(path)
            except FileNotFoundError:
                size_and_times = (0, 0, 0)
            stamps.append((str(path.absolute()), *size_and_times))
        return stamps

    def _open(
        self, kind: str, contents: object, shapes: dict[str, tuple[tuple[int, ...], Any]]
    ) -> dict[str, NDArray[Any]]:
        text = json.dumps([READING, contents, self.dataset.ids, self.size], default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        home = self.folder / f"{kind}-{key}"
        home.mkdir(parents=True, exist_ok=True)
        return {
            name: _array(home / f"{name}.npy", (len(self), *shape), dtype)
            for name, (shape, dtype) in shapes.items()
        }


def _checksum(maps: dict[str, NDArray[Any]], row: int) -> int:
    """Checksum of a sample's maps; never 0, which stands for one that is not stored.

    A power loss may keep the checksum and lose the maps: the sample is then stored anew.
    """
    crc = 0
    for name, values in maps.items():
        if name != "checksum":
            crc = zlib.crc32(np.ascontiguousarray(values[row]).data, crc)
    return crc or 1


def _array(path: Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """The array in a file, of zeros at first; its room on the disk is reserved."""
    if not path.is_file():
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape).flush()
            if hasattr(os, "posix_fallocate"):  # a full disk later would kill the process
                with part.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
            os.link(part, path)
        except FileExistsError:
            pass  # another process was faster
        except OSError as error:
            size = np.prod(shape) * np.dtype(dtype).itemsize / 1e9
            raise OSError(
                f"The cache {path} of {size:.2g} GB cannot be written ({error.strerror}); set "
                "data.cache to a folder with room, or leave it out."
            ) from None
        finally:
            part.unlink(missing_ok=True)
    return np.lib.format.open_memmap(path, mode="r+")
