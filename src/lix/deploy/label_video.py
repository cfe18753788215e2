"""Labels of a video as a video without loss: one grey value a pixel, the train id."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import require
from lix.core.files import atomic_write

Labels = NDArray[np.uint8]
"""(H, W) train ids."""
FULL_RANGE = 2
"""FFmpeg's number for greys from 0 to 255, so that no reader stretches them."""


@contextmanager
def label_video(target: Path, rate: Fraction) -> Generator[Callable[[Labels], None], None, None]:
    """Write label maps of one size, one by one, as FFV1 of 8-bit grey in Matroska.

    OpenCV, FFmpeg and PyAV give the train ids back: in OpenCV each of the three channels holds
    them. The file is there when the block ends without an error.

    Args:
        target: the .mkv file.
        rate: frames a second.

    Raises:
        ModuleNotFoundError: PyAV is missing.
        OSError: the target cannot be written.
    """
    require("video", "av")
    import av

    with atomic_write(target) as part, av.open(part, "w", format="matroska") as writer:
        stream: Any = writer.add_stream("ffv1", rate=rate)
        stream.pix_fmt = "gray"
        stream.codec_context.color_range = FULL_RANGE

        def write(labels: Labels) -> None:
            if not stream.codec_context.is_open:
                stream.height, stream.width = labels.shape
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(labels), format="gray")
            frame.color_range = FULL_RANGE
            writer.mux(stream.encode(frame))

        yield write
        writer.mux(stream.encode())
