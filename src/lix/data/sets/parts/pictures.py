"""X that a data set brings as 8-bit pictures, whose numbers have no unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lix.data.modalities import X, as_kind
from lix.data.readers import image_size, read_array
from lix.data.x_files import FileSource, XFiles


class Pictures(FileSource):
    """One or three channels of a picture as numbers in [0, 1].

    Args:
        channels: 1 reads it as grey, 3 as RGB: an alpha channel is dropped, grey is repeated.
        path: frame → file.
        fix: what to do where files are missing.
        image: frame → path of its image, where pictures may be of another size; they are resized
            to it by the nearest value.
    """

    def __init__(
        self,
        channels: int,
        path: Callable[[str], Path],
        fix: str,
        image: Callable[[str], Path] | None = None,
    ) -> None:
        super().__init__(XFiles(kind="channels", channels=channels, scale=1 / 255), path, fix)
        self.image = image

    def read(self, frame: str) -> X:
        mode = "L" if self.files.channels == 1 else "RGB"
        array = np.atleast_3d(read_array(self.path(frame), mode))
        values = torch.from_numpy(array).permute(2, 0, 1)
        if self.image is not None:
            values = F.interpolate(values[None], size=image_size(self.image(frame)))[0]
        return as_kind("channels", values / 255)
