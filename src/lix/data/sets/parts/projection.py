"""X of a sensor that was projected into the camera, as MUSES' authors write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from lix.core.errors import DataError
from lix.data.modalities import X, as_kind
from lix.data.readers import read_array
from lix.data.x_files import FileSource, XFiles


class Projected(NamedTuple):
    """What is read of a projection that the authors' script writes."""

    sensor: str
    """Folder, and ending of the files."""
    channels: slice
    files: XFiles


class Projection(FileSource):
    """Some channels of a projected sensor, (H, W, 3) float32 or, of events, uint8."""

    def __init__(self, part: Projected, path: Callable[[str], Path], fix: str) -> None:
        super().__init__(part.files, path, fix)
        self.channels = part.channels

    def read(self, frame: str) -> X:
        path = self.path(frame)
        stored = read_array(path)
        if stored.ndim != 3 or stored.shape[2] != 3:
            raise DataError(
                f"{path} holds an array of shape {stored.shape}, not (H, W, 3); {self.fix}.",
                path,
                kind="x format",
            )
        values = self.files.values(stored[..., self.channels])
        return as_kind(self.files.kind, torch.from_numpy(values).permute(2, 0, 1))
