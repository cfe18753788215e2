"""Videos, painted frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lix.extras import require
from lix.files import replacing

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
MPEG4_BITS_PER_PIXEL = 0.3
"""Of the encoder that steps in where H.264 is missing; its own default is far too few."""


def repaint(
    source: Path,
    target: Path,
    paint: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a video as MP4 with every frame passed through `paint`; sound is left out.

    The frame rate is the source's mean one. A frame with an odd height or width repeats its last
    row or column, because players of H.264 expect even sizes.

    Args:
        source: the video.
        target: the MP4 file.
        paint: takes an upright (H, W, 3) RGB frame and returns one of the same shape.
        progress: called with the number of finished frames and that of all, 0 where the file does
            not tell.

    Raises:
        ModuleNotFoundError: PyAV is missing.
        ValueError: the source is no video, damaged or without a frame.
        OSError: the target cannot be written.
    """
    require("video", "av")
    import av

    with _open(source) as reader, replacing(target) as part, av.open(part, "w") as writer:
        encoder, total = None, _length(reader)
        for done, frame in enumerate(_frames(reader, source), start=1):
            picture = _even(paint(frame))
            encoder = encoder or _encoder(writer, picture, _rate(reader))
            writer.mux(encoder.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if progress is not None:
                progress(done, total)
        if encoder is None:
            raise ValueError(f"{source} has no frame; choose another video.")
        writer.mux(encoder.encode())


def _open(source: Path) -> Any:
    import av

    try:
        reader = av.open(source)
    except av.FFmpegError as error:
        raise ValueError(_damaged(source, error)) from None
    if not reader.streams.video:
        reader.close()
        raise ValueError(f"{source} has no pictures; choose another video.")
    return reader


def _frames(reader: Any, source: Path) -> Iterator[NDArray[np.uint8]]:
    """Upright (H, W, 3) RGB frames of the first video stream."""
    import av

    try:
        for frame in reader.decode(video=0):
            quarter_turns = frame.rotation // 90
            yield np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)
    except av.FFmpegError as error:
        raise ValueError(_damaged(source, error)) from None


def _damaged(source: Path, error: Any) -> str:
    return f"{source} is damaged or no video ({error.strerror}); replace the file."


def _even(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _rate(reader: Any) -> Fraction:
    stream = reader.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate or 25
    return Fraction(rate).limit_denominator(1001)


def _length(reader: Any) -> int:
    """Number of frames, if need be from the duration (in microseconds); 0 = unknown."""
    return reader.streams.video[0].frames or round((reader.duration or 0) * _rate(reader) / 10**6)


def _encoder(writer: Any, picture: NDArray[np.uint8], rate: Fraction) -> Any:
    import av

    has_h264 = "libx264" in av.codecs_available
    encoder = writer.add_stream("libx264" if has_h264 else "mpeg4", rate=rate)
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "yuv420p"
    if not has_h264:
        encoder.bit_rate = round(MPEG4_BITS_PER_PIXEL * picture.shape[0] * picture.shape[1] * rate)
    return encoder
